/**
 * E-mail over SMTP. The session is driven step by step, because the step tells what a failure means: before the
 * envelope is sent nothing can have happened; after it, only the server's own refusal is proof. SMTP has no look-up,
 * so an outcome that stays unclear goes to a person.
 */
import type SMTPConnection from "nodemailer/lib/smtp-connection";
import { actionKinds } from "../domain/action-kinds.ts";
import type { ActionExecutor, Call, Destination } from "../domain/ports.ts";
import type { Deps, Refusal } from "./http.ts";
import { createAttempt, filled } from "./http.ts";

export interface EmailOptions {
  /** `smtps://user:password@mail.example.com` */
  readonly smtpUrl?: string | undefined;
  /** `Acme <hello@acme.example>` */
  readonly from?: string | undefined;
}

export function email(options: EmailOptions, deps: Deps): Destination {
  return {
    name: "email",
    configured: filled(options.smtpUrl, options.from),
    actions: { "email.send": send(options, deps) },
  };
}

function send(options: EmailOptions, deps: Deps): ActionExecutor {
  const attempt = createAttempt("email", deps, {
    secrets: secretsOf(options.smtpUrl ?? ""),
    read: readRefusal,
    counted: "writes",
  });
  return {
    repeat: "never",
    settleMs: 0,
    async execute(input, key, call) {
      const { to, subject, text } = actionKinds["email.send"].parse(input);
      const from = oneLine(options.from ?? "");
      const id = `<${key}@${domainOf(from)}>`;
      const message = await compose({
        from,
        to,
        subject: oneLine(subject),
        text,
        id,
        key,
        date: deps.clock.now(),
      });
      const connection = await open(options.smtpUrl ?? "");
      const release = closeOnAbort(connection, call);
      try {
        await attempt(call, "read", () => connect(connection, options.smtpUrl ?? ""));
        await attempt(call, "write", () => transfer(connection, message));
        return { id };
      } finally {
        release();
        connection.close();
      }
    },
  };
}

// ── The message ──────────────────────────────────────────────────────────────────────────────────────────────────

interface Draft {
  readonly from: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly id: string;
  readonly key: string;
  readonly date: number;
}
interface Message {
  readonly envelope: { readonly from: string; readonly to: string[] };
  readonly bytes: Buffer;
}

/**
 * Addresses are given as objects: in a string, a comma would add a recipient. The envelope holds the one recipient
 * of the action, whatever the headers came to say.
 */
async function compose({ from, to, subject, text, id, key, date }: Draft): Promise<Message> {
  const { default: MailComposer } = await import("nodemailer/lib/mail-composer");
  const composer = new MailComposer({
    from,
    to: { name: "", address: to },
    subject,
    text,
    messageId: id,
    date: new Date(date),
    headers: { "X-Signalbox-Key": key, "Auto-Submitted": "auto-generated" },
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return { envelope: { from: addressOf(from), to: [to] }, bytes: await composer.compile().build() };
}

const oneLine = (text: string): string => text.replace(/[\r\n]+/g, " ").trim();
const addressOf = (from: string): string => /<([^<>]+)>\s*$/.exec(from)?.[1]?.trim() ?? from;
const domainOf = (from: string): string =>
  /@([A-Za-z0-9.-]+)/.exec(addressOf(from))?.[1] ?? "signalbox.invalid";

function secretsOf(smtpUrl: string): string[] {
  if (!URL.canParse(smtpUrl)) return [smtpUrl];
  const { password } = new URL(smtpUrl);
  return [password, decodeURIComponent(password)];
}

// ── The session ──────────────────────────────────────────────────────────────────────────────────────────────────

async function open(smtpUrl: string): Promise<SMTPConnection> {
  const [{ default: Connection }, { parseConnectionUrl }] = await Promise.all([
    import("nodemailer/lib/smtp-connection"),
    import("nodemailer/lib/shared"),
  ]);
  const { auth: _auth, ...settings } = parseConnectionUrl(smtpUrl);
  // Closing destroys the socket at once, so that nothing is sent after the deadline.
  return new Connection({ ...settings, socketCloseTimeout: 0 });
}

function closeOnAbort(connection: SMTPConnection, call: Call): () => void {
  const close = () => connection.close();
  call.signal.addEventListener("abort", close, { once: true });
  return () => call.signal.removeEventListener("abort", close);
}

/** Greets, encrypts where the server offers it, and logs in where the URL has a user. */
async function connect(connection: SMTPConnection, smtpUrl: string): Promise<void> {
  await step(connection, (done) => connection.connect(done));
  const { username, password } = new URL(smtpUrl);
  // A server that offers no login takes none: relays inside a network are like that.
  if (username === "" || !connection.allowsAuth) return;
  const credentials = { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
  await step(connection, (done) => connection.login({ credentials }, done));
}

const transfer = (connection: SMTPConnection, { envelope, bytes }: Message): Promise<void> =>
  step(connection, (done) => connection.send({ ...envelope, size: bytes.length }, bytes, done));

/** A step ends by its callback, or by an error of the connection: some errors come only as an event. */
function step(
  connection: SMTPConnection,
  begin: (done: (error?: Error | null) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error | null) => {
      // The listener stays: an error that comes late, with nobody to hear it, would end the process.
      if (error) reject(error);
      else resolve();
    };
    connection.on("error", settle);
    connection.once("end", () => settle(new Error("the server closed the connection")));
    begin(settle);
  });
}

/** A reply code is the server's word that it did not take the message. */
function readRefusal(error: unknown): Refusal | null {
  if (!(error instanceof Error)) return null;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const reply = "responseCode" in error && typeof error.responseCode === "number" ? error.responseCode : 0;
  const header = (): null => null;
  if (code === "EAUTH" || code === "ENOAUTH") {
    return { status: reply || 535, kind: "unauthorized", detail: "the login was refused", header };
  }
  if (reply < 400) return null;
  const kind = reply >= 500 ? (reply === 530 ? "unauthorized" : "invalid") : "unavailable";
  return { status: reply, kind, detail: error.message, header, effect: "none" };
}
