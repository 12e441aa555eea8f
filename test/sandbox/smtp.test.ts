import { createTransport } from "nodemailer";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SmtpSandbox } from "../../src/sandbox/smtp.ts";
import { startSmtp } from "../../src/sandbox/smtp.ts";

let smtp: SmtpSandbox;
beforeEach(async () => {
  smtp = await startSmtp({ now: () => 1_800_000_000_000 });
});
afterEach(() => smtp.close());

const send = (subject = "Hello", to = "ada@example.com") => {
  const transport = createTransport({
    host: "127.0.0.1",
    port: smtp.port,
    secure: false,
    auth: { user: "u", pass: "p" },
  });
  return transport.sendMail({
    from: "us@example.com",
    to,
    subject,
    text: "Hi",
    messageId: `<${subject}@signalbox>`,
  });
};
const subjects = () => smtp.mails.map(({ subject }) => subject);

describe("the mail server of the sandbox", () => {
  it("keeps the envelope and the message as it came", async () => {
    await send();
    expect(smtp.mails).toMatchObject([
      { from: "us@example.com", to: ["ada@example.com"], subject: "Hello", messageId: "<Hello@signalbox>" },
    ]);
    expect(smtp.mails[0]?.raw).toMatch(/\r\n\r\nHi\r\n$/);
    expect(smtp.state.effects).toMatchObject([
      { kind: "mail", target: "ada@example.com", key: "<Hello@signalbox>" },
    ]);
  });

  it("refuses a recipient for good, or a message for now", async () => {
    smtp.faults.rejectRecipient({ when: (address) => address.startsWith("gone") });
    await expect(send("Hello", "gone@example.com")).rejects.toMatchObject({ responseCode: 550 });
    smtp.faults.defer();
    await expect(send("Later")).rejects.toMatchObject({ responseCode: 451 });
    await send("Later");
    expect(subjects()).toEqual(["Later"]);
  });

  it("keeps a message whose reply is cut off", async () => {
    smtp.faults.dropAfterData();
    await expect(send("Doubtful")).rejects.toThrow(/closed|ECONNRESET|socket/i);
    expect(subjects()).toEqual(["Doubtful"]);
    expect((await smtp.received((mail) => mail.subject === "Doubtful")).to).toEqual(["ada@example.com"]);
  });

  it("takes nothing while it is down", async () => {
    smtp.faults.down();
    await expect(send()).rejects.toThrow(/closed|ECONNRESET|socket/i);
    smtp.faults.up();
    await send("Again");
    expect(subjects()).toEqual(["Again"]);
  });
});
