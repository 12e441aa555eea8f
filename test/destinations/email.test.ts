import PostalMime from "postal-mime";
import { describe, expect, it } from "vitest";
import { email } from "../../src/destinations/email.ts";
import { anyCall, contractClock, executorOf, faultOf } from "../contracts/destination.ts";
import type { SmtpMoment, SmtpReply } from "../support/smtp-script.ts";
import { startSmtp } from "../support/smtp-script.ts";
import { freeTurns } from "../support/turns.ts";

const deps = { clock: contractClock, turns: freeTurns };
const from = "Acme <hello@acme.example>";
const input = {
  to: "ada@example.com",
  subject: "We would like you to stay",
  text: "Hello,\n.\n20 % for you.",
};

const sender = (smtpUrl: string) => executorOf(email({ smtpUrl, from }, deps), "email.send");

describe("email", () => {
  it("is not configured while a value that it needs is missing", () => {
    expect(email({ from }, deps).configured).toBe(false);
    expect(email({ smtpUrl: "smtp://mail.example" }, deps).configured).toBe(false);
    expect(email({ smtpUrl: "smtp://mail.example", from }, deps).configured).toBe(true);
  });

  it("is never repeated and cannot be looked up", () => {
    const { repeat, lookup } = sender("smtp://127.0.0.1:1");
    expect(repeat).toBe("never");
    expect(lookup).toBeUndefined();
  });

  it("sends one message, under an id of its key, to the one recipient", async () => {
    const server = await startSmtp();
    const ref = await sender(server.url).execute(input, "0123abcd", anyCall());
    expect(ref).toEqual({ id: "<0123abcd@acme.example>" });
    expect(server.commands.filter((line) => /^(MAIL|RCPT)/.test(line))).toEqual([
      "MAIL FROM:<hello@acme.example>",
      "RCPT TO:<ada@example.com>",
    ]);
    const [raw = ""] = server.messages;
    const mail = await PostalMime.parse(raw);
    expect(mail).toMatchObject({
      messageId: "<0123abcd@acme.example>",
      subject: input.subject,
      from: { name: "Acme", address: "hello@acme.example" },
      to: [{ address: "ada@example.com" }],
    });
    expect(mail.headers).toContainEqual(
      expect.objectContaining({ key: "x-signalbox-key", value: "0123abcd" }),
    );
    expect(mail.text).toContain("20 % for you.");
    await server.closed();
    await server.close();
  });

  it.each([
    { ...input, subject: "Hello\r\nBcc: evil@example.com" },
    { ...input, subject: "Hello\nX-Evil: 1\n\nanother body" },
    { ...input, text: "Hello\r\n.\r\nMAIL FROM:<evil@example.com>\r\n" },
  ])("adds no header, no recipient and no command for %j", async (hostile) => {
    const server = await startSmtp();
    await sender(server.url).execute(hostile, "k", anyCall());
    expect(server.commands.filter((line) => /^(MAIL|RCPT)/.test(line))).toHaveLength(2);
    expect(server.messages).toHaveLength(1);
    const mail = await PostalMime.parse(server.messages[0] ?? "");
    expect(mail.headers.map(({ key }) => key)).not.toContain("bcc");
    expect(mail.headers.map(({ key }) => key)).not.toContain("x-evil");
    await server.close();
  });

  it.each(["ada@example.com, eve@example.com", "ada@example.com\r\nBcc: eve@example.com"])(
    "does not take %j for an address",
    async (to) => {
      await expect(sender("smtp://127.0.0.1:1").execute({ ...input, to }, "k", anyCall())).rejects.toThrow(
        /email/,
      );
    },
  );

  const cases: [Partial<Record<SmtpMoment, SmtpReply>>, object][] = [
    [{ connect: "cut" }, { kind: "unavailable", effect: "none" }],
    [{ connect: "421 try later" }, { kind: "unavailable", effect: "none" }],
    [{ MAIL: "451 greylisted" }, { kind: "unavailable", effect: "none", status: 451 }],
    [{ MAIL: "530 log in first" }, { kind: "unauthorized", effect: "none" }],
    [{ RCPT: "550 no such user" }, { kind: "invalid", effect: "none", status: 550 }],
    [{ message: "554 this is spam" }, { kind: "invalid", effect: "none", status: 554 }],
    [{ message: "452 disk full" }, { kind: "unavailable", effect: "none", status: 452 }],
    [{ message: "cut" }, { kind: "unavailable", effect: "unknown" }],
  ];
  it.each(cases)("tells what a failure means by where it happened: %j → %j", async (replies, fault) => {
    const server = await startSmtp(replies);
    expect(await faultOf(sender(server.url).execute(input, "k", anyCall()))).toMatchObject(fault);
    await server.close();
  });

  it("takes a refused connection for no effect", async () => {
    const server = await startSmtp();
    await server.close();
    const fault = await faultOf(sender(server.url).execute(input, "k", anyCall()));
    expect(fault).toMatchObject({ kind: "unavailable", effect: "none" });
  });

  it.each([
    ["connect", "none"],
    ["message", "unknown"],
  ] as const)(
    "ends at the signal while it waits at %s, with effect %s, and hangs up",
    async (moment, effect) => {
      const server = await startSmtp({ [moment]: null });
      const controller = new AbortController();
      const fault = faultOf(sender(server.url).execute(input, "k", { signal: controller.signal }));
      await server.reached(moment);
      controller.abort(new DOMException("no answer within 60000 ms", "TimeoutError"));
      expect(await fault).toMatchObject({ kind: "timeout", effect });
      await server.closed();
      await server.close();
    },
  );

  it("shows no address in an error", async () => {
    const server = await startSmtp({ RCPT: "550 no ada@example.com here" });
    const fault = await faultOf(sender(server.url).execute(input, "k", anyCall()));
    expect(fault.message).toContain("answered 550");
    expect(fault.message).not.toContain("ada@example.com");
    await server.close();
  });

  it("takes a refused login for missing permission, and does not show the password", async () => {
    const server = await startSmtp();
    const url = server.url.replace("smtp://", "smtp://user:hunter2-hunter2@");
    const fault = await faultOf(sender(url).execute(input, "k", anyCall()));
    expect(fault).toMatchObject({ kind: "unauthorized", effect: "none" });
    expect(`${fault.stack} ${JSON.stringify(fault)}`).not.toContain("hunter2-hunter2");
    await server.close();
  });
});
