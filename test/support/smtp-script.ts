import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

export type SmtpMoment = "connect" | "HELLO" | "MAIL" | "RCPT" | "DATA" | "message";
/** A reply line; null leaves the client waiting, "cut" closes the connection. */
export type SmtpReply = string | null;

export interface SmtpScript {
  readonly url: string;
  /** Command lines and whole messages, in the order of their arrival. */
  readonly commands: readonly string[];
  readonly messages: readonly string[];
  /** Resolves once the moment has come. */
  reached(moment: SmtpMoment): Promise<void>;
  /** Resolves once every connection is closed. */
  closed(): Promise<void>;
  close(): Promise<void>;
}

const usual: Readonly<Record<SmtpMoment, string>> = {
  connect: "220 mail.example ESMTP",
  HELLO: "250-mail.example\r\n250 AUTH PLAIN",
  MAIL: "250 ok",
  RCPT: "250 ok",
  DATA: "354 go on",
  message: "250 taken",
};

/** A mail server that fails where a test says: `{ RCPT: "550 unknown" }`, `{ message: "cut" }`, `{ DATA: null }`. */
export async function startSmtp(replies: Partial<Record<SmtpMoment, SmtpReply>> = {}): Promise<SmtpScript> {
  const commands: string[] = [];
  const messages: string[] = [];
  const sockets = new Set<Socket>();
  const reachedMoments = new Set<SmtpMoment>();
  let waiting: (() => void)[] = [];
  const changed = () => {
    const notify = waiting;
    waiting = [];
    notify.forEach((resume) => resume());
  };
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise<void>((resume) => waiting.push(resume));
  };
  const answer = (socket: Socket, moment: SmtpMoment) => {
    reachedMoments.add(moment);
    const reply = moment in replies ? (replies[moment] ?? null) : usual[moment];
    if (reply === "cut") socket.destroy();
    else if (reply !== null) socket.write(`${reply}\r\n`);
    changed();
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      sockets.delete(socket);
      changed();
    });
    let buffer = "";
    let inMessage = false;
    answer(socket, "connect");
    socket.on("data", (chunk: Buffer) => {
      buffer += chunk.toString("utf8");
      for (;;) {
        const end = inMessage ? "\r\n.\r\n" : "\r\n";
        const at = buffer.indexOf(end);
        if (at < 0) return;
        const text = buffer.slice(0, at);
        buffer = buffer.slice(at + end.length);
        if (inMessage) {
          inMessage = false;
          messages.push(text);
          answer(socket, "message");
          continue;
        }
        commands.push(text);
        const moment = /^(EHLO|HELO)/.test(text)
          ? "HELLO"
          : (["MAIL", "RCPT", "DATA"] as const).find((verb) => text.startsWith(verb));
        if (moment) answer(socket, moment);
        else socket.write("535 5.7.8 refused\r\n");
        inMessage =
          moment === "DATA" && (replies.DATA ?? usual.DATA).startsWith("354") && replies.DATA !== null;
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commands,
    messages,
    reached: (moment) => until(() => reachedMoments.has(moment)),
    closed: () => until(() => sockets.size === 0),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        sockets.forEach((socket) => socket.destroy());
      }),
  };
}
