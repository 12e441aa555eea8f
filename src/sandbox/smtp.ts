/**
 * A mail server that keeps what it is sent and delivers nothing. A message is kept, and in the file, before it is
 * acknowledged; `dropAfterData` then cuts the connection instead, so that the sender cannot know.
 */
import type { AddressInfo, Socket } from "node:net";
import type { Readable } from "node:stream";
import type { SMTPServerSession } from "smtp-server";
import { headerOf, readMail } from "./gmail-messages.ts";
import type { Effect, VendorOptions } from "./stand.ts";
import { openStore } from "./store.ts";

interface ReceivedMail {
  /** Of the envelope. */
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly messageId: string;
  /** The message as it came, as text. */
  readonly raw: string;
  readonly at: number;
}

interface Scope {
  /** Once by default. */
  readonly times?: number;
  readonly when?: (address: string) => boolean;
}

interface SmtpFaults {
  /** Refuses the recipient for good: 550 unless another code is given. */
  rejectRecipient(scope?: Scope & { readonly code?: number }): void;
  /** Refuses the message for now: 451 unless another code is given. `when` sees the first recipient. */
  defer(scope?: Scope & { readonly code?: number }): void;
  /** Keeps the message, then cuts the connection before the reply. */
  dropAfterData(scope?: Scope): void;
  /** Takes the message and never replies; it is not kept. */
  stall(scope?: Scope): void;
  down(): void;
  up(): void;
  clear(): void;
}

interface SmtpState {
  mails: ReceivedMail[];
  effects: Effect[];
}

export interface SmtpSandbox {
  /** `smtp://127.0.0.1:port` */
  readonly url: string;
  readonly port: number;
  readonly faults: SmtpFaults;
  readonly state: SmtpState;
  readonly mails: readonly ReceivedMail[];
  /** The first mail that matches, past or future. */
  received(when?: (mail: ReceivedMail) => boolean): Promise<ReceivedMail>;
  close(): Promise<void>;
}

type Kind = "rejectRecipient" | "defer" | "dropAfterData" | "stall";
type Waiting = { kind: Kind; code: number; left: number; when?: (address: string) => boolean };

function createSmtpFaults(cut: () => void) {
  let waiting: Waiting[] = [];
  let down = false;
  const add = (kind: Kind, code: number, scope: Scope = {}) =>
    void waiting.push({ kind, code, left: scope.times ?? 1, ...(scope.when ? { when: scope.when } : {}) });
  const faults: SmtpFaults = {
    rejectRecipient: (scope = {}) => add("rejectRecipient", scope.code ?? 550, scope),
    defer: (scope = {}) => add("defer", scope.code ?? 451, scope),
    dropAfterData: (scope) => add("dropAfterData", 0, scope),
    stall: (scope) => add("stall", 0, scope),
    down() {
      down = true;
      cut();
    },
    up() {
      down = false;
    },
    clear() {
      waiting = [];
      down = false;
    },
  };
  const take = (kinds: readonly Kind[], address: string): Waiting | undefined => {
    const met = waiting.find((one) => kinds.includes(one.kind) && (one.when?.(address) ?? true));
    if (met && --met.left <= 0) waiting = waiting.filter((one) => one !== met);
    return met;
  };
  return { faults, take, isDown: () => down };
}

const refusal = (code: number, text: string) => Object.assign(new Error(text), { responseCode: code });

/** Keeps mails, and tells those who wait for one. */
function createMailbox(state: SmtpState, save: () => void) {
  const waiters = new Set<(mail: ReceivedMail) => void>();
  return {
    keep(mail: ReceivedMail): void {
      state.mails.push(mail);
      for (const target of mail.to) {
        state.effects.push({ vendor: "smtp", kind: "mail", target, key: mail.messageId, at: mail.at });
      }
      save();
      waiters.forEach((waiter) => waiter(mail));
    },
    received(when: (mail: ReceivedMail) => boolean = () => true): Promise<ReceivedMail> {
      const past = state.mails.find(when);
      if (past) return Promise.resolve(past);
      return new Promise((found) => {
        const waiter = (mail: ReceivedMail) => {
          if (!when(mail)) return;
          waiters.delete(waiter);
          found(mail);
        };
        waiters.add(waiter);
      });
    },
  };
}

export async function startSmtp(options: VendorOptions): Promise<SmtpSandbox> {
  const { SMTPServer } = await import("smtp-server");
  const { now } = options;
  const store = openStore<SmtpState>(options.file ?? null, { mails: [], effects: [] });
  const { state } = store;
  const sockets = new Map<number, Socket>();
  const box = createSmtpFaults(() => sockets.forEach((socket) => socket.destroy()));
  const mailbox = createMailbox(state, store.save);
  const receive = async (stream: Readable, session: SMTPServerSession, done: (error?: Error) => void) => {
    const raw = await readAll(stream);
    // The sender went away in the middle of the message: there is nobody to answer.
    if (raw === null) return;
    const fault = box.take(["defer", "dropAfterData", "stall"], session.envelope.rcptTo[0]?.address ?? "");
    if (fault?.kind === "stall") return;
    if (fault?.kind === "defer") {
      done(refusal(fault.code, "Try again later"));
      return;
    }
    mailbox.keep(mailOf(session, raw, now()));
    if (fault) sockets.get(session.remotePort)?.destroy();
    else done();
  };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    logger: false,
    // Nothing is worth waiting for: a client that holds its connection open must not delay the end.
    closeTimeout: 1,
    onAuth: (auth, _session, done) => done(null, { user: auth.username ?? "sandbox" }),
    onRcptTo(address, _session, done) {
      const fault = box.take(["rejectRecipient"], address.address);
      done(fault ? refusal(fault.code, "Mailbox unavailable") : null);
    },
    onData: (stream, session, done) => void receive(stream, session, done),
  });
  // A connection that a fault cuts is no fault of the server.
  server.on("error", () => {});
  server.server.on("connection", (socket: Socket) => {
    if (box.isDown()) {
      socket.destroy();
      return;
    }
    const port = socket.remotePort ?? 0;
    sockets.set(port, socket);
    socket.on("close", () => sockets.delete(port));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    port,
    faults: box.faults,
    state,
    mails: state.mails,
    received: mailbox.received,
    close: () =>
      new Promise((resolve) => {
        sockets.forEach((socket) => socket.destroy());
        server.close(() => resolve());
      }),
  };
}

/** Null when the stream broke off. */
async function readAll(stream: Readable): Promise<string | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of stream) chunks.push(chunk as Buffer);
  } catch {
    return null;
  }
  return Buffer.concat(chunks).toString("utf8");
}

function mailOf(session: SMTPServerSession, raw: string, at: number): ReceivedMail {
  const part = readMail(raw);
  const { mailFrom, rcptTo } = session.envelope;
  return {
    from: mailFrom === false ? "" : mailFrom.address,
    to: rcptTo.map((one) => one.address),
    subject: headerOf(part, "subject") ?? "",
    messageId: headerOf(part, "message-id") ?? "",
    raw,
    at,
  };
}
