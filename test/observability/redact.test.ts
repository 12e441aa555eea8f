import { describe, expect, it } from "vitest";
import { createLog } from "../../src/observability/log.ts";
import { redactSecrets, redactText } from "../../src/observability/redact.ts";

/** Put together, so that no scanner takes this file for a leak. */
const made = (...parts: string[]) => parts.join("");

describe("redaction", () => {
  it.each([
    made("sk_", "live_", "51Nabcdefghijklmnop"),
    made("whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    made("sk-", "ant-api03-abcdefghijklmnop"),
    made("ghp", "_abcdefghijklmnopqrstuvwxyz0123456789"),
    made("xoxb-", "1234567890-abcdefgh"),
    made("lin_", "api_abcdefghijklmnopqrstuvwx"),
    made("pat-", "na1-12345678-1234-1234-1234-123456789012"),
    made("eyJhbGciOiJSUzI1NiJ9", ".eyJpc3MiOiJ4In0", ".c2lnbmF0dXJl"),
    made("Bearer ", "abcdefgh12345678"),
    made("-----BEGIN RSA PRIVATE KEY-----\n", "abc\n", "-----END RSA PRIVATE KEY-----"),
  ])("takes out %s", (secret) => {
    const shown = redactText(`before ${secret} after`);
    expect(shown).toBe("before [redacted] after");
  });

  it("takes out who logs in where, card numbers, and all but the outline of mail addresses", () => {
    expect(redactText("smtp://user:secret@mail.acme.example:25")).toBe(
      "smtp://[redacted]@mail.acme.example:25",
    );
    expect(redactText("paid with 4242 4242 4242 4242 today")).toBe("paid with [redacted card] today");
    expect(redactText("from nina.ortiz@marlow.example")).toBe("from n…@marlow.example");
  });

  it("leaves numbers that are no cards, and addresses where only secrets are taken out", () => {
    expect(redactText("order 1234567890123 of run 42")).toBe("order 1234567890123 of run 42");
    expect(redactSecrets("from nina@marlow.example")).toBe("from nina@marlow.example");
  });
});

describe("the log", () => {
  it("writes JSON lines in which neither secret fields nor the text of errors give anything away", () => {
    const lines: string[] = [];
    const log = createLog("info", { write: (line) => void lines.push(line) });
    log.warn(
      {
        token: "abc",
        source: { secret: "abc" },
        err: new Error(`refused ${made("sk_", "live_", "51Nabcdefghijk")}`),
      },
      "a call failed",
    );
    log.debug({}, "not shown at this level");
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] ?? "") as {
      token: string;
      source: { secret: string };
      err: { message: string };
      msg: string;
    };
    expect(line).toMatchObject({
      token: "[redacted]",
      source: { secret: "[redacted]" },
      err: { message: "refused [redacted]" },
      msg: "a call failed",
    });
  });
});
