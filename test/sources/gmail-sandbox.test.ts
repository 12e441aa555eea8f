import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Source } from "../../src/domain/source.ts";
import { silentLog } from "../../src/observability/log.ts";
import { startGoogle } from "../../src/sandbox/google.ts";
import type { GoogleSandbox } from "../../src/sandbox/google.ts";
import { createSources } from "../../src/sources/index.ts";
import { manualClock } from "../support/clock.ts";
import type { ManualClock } from "../support/clock.ts";
import { rawRequest } from "../support/raw-request.ts";

const audience = "https://signalbox.example/webhooks/inbox";
const email = "push@project.iam.gserviceaccount.com";
const never = new AbortController().signal;

let clock: ManualClock;
let google: GoogleSandbox;
let source: Source & { expand: NonNullable<Source["expand"]> };

beforeEach(async () => {
  clock = manualClock();
  google = await startGoogle({ now: () => clock.now(), file: null });
  const options = { name: "inbox", account: "support@example.com", audience, pushServiceAccount: email };
  const made = createSources(
    [
      {
        type: "gmail",
        ...options,
        credentials: google.credentials(),
        baseUrl: google.url,
        topic: "projects/p/topics/t",
      },
    ],
    { clock, log: silentLog },
  ).get("inbox");
  if (!made?.expand) throw new Error("a gmail source expands");
  source = { ...made, expand: made.expand };
});
afterEach(() => google.close());

const mail = (subject: string) =>
  google.receive({ from: "ada@example.com", to: "support@example.com", subject, text: "Hello" });
const subjectsOf = (items: readonly { payload: unknown }[]) =>
  items.map(({ payload }) => (payload as { subject: string }).subject);

describe("a mailbox of the sandbox", () => {
  it("pushes what is verified and identified, and holds what it announced", async () => {
    const cursor = (await source.currentCursor?.(never)) ?? "";
    const { id, historyId } = mail("First");
    const push = rawRequest(
      { authorization: `Bearer ${google.mintPushToken({ audience, email })}` },
      google.pushBody(),
      clock.now(),
    );
    expect(await source.verify(push)).toEqual({ secretIndex: null });
    expect(source.identify(push)[0]?.dedupeKeys).toContain(`history:${historyId}`);
    const { items, cursor: next, rescanned } = await source.expand(cursor, never);
    expect(items.map(({ providerId }) => providerId)).toEqual([id]);
    expect(subjectsOf(items)).toEqual(["First"]);
    expect([next, rescanned]).toEqual([historyId, false]);
    expect((await source.expand(next, never)).items).toEqual([]);
  });

  it("refuses a push with a token of another time, audience or account", async () => {
    const past = Math.floor(clock.now() / 1000) - 120;
    for (const claims of [
      { audience, email, exp: past },
      { audience: "https://other.example", email },
      { audience, email: "other@example.com" },
    ]) {
      const push = rawRequest(
        { authorization: `Bearer ${google.mintPushToken(claims)}` },
        google.pushBody(),
        clock.now(),
      );
      await expect(source.verify(push)).rejects.toMatchObject({ name: "Rejection", status: 401 });
    }
  });

  it("is scanned again when its history has expired, and the same mail has the same keys", async () => {
    mail("First");
    const before = await source.expand(null, never);
    google.expireHistory();
    mail("Second");
    const after = await source.expand(before.cursor, never);
    expect(after.rescanned).toBe(true);
    expect(subjectsOf(after.items)).toEqual(["First", "Second"]);
    expect(after.items[0]?.dedupeKeys).toEqual(before.items[0]?.dedupeKeys);
    expect(BigInt(after.cursor) > BigInt(before.cursor)).toBe(true);
  });

  it("goes on with a new token when the old ones ended, and not at all once its consent was withdrawn", async () => {
    const { cursor } = await source.expand(null, never);
    google.expireTokens();
    mail("First");
    expect(subjectsOf((await source.expand(cursor, never)).items)).toEqual(["First"]);
    google.revoke();
    await expect(source.expand(cursor, never)).rejects.toMatchObject({
      name: "ServiceError",
      kind: "unauthorized",
    });
  });

  it("that fails or is down is named as the service that did", async () => {
    const { cursor } = await source.expand(null, never);
    google.faults.fail({ status: 503, times: 1 });
    await expect(source.expand(cursor, never)).rejects.toMatchObject({
      service: "source:inbox",
      kind: "unavailable",
    });
    google.faults.down();
    await expect(source.expand(cursor, never)).rejects.toMatchObject({
      service: "source:inbox",
      kind: "unavailable",
    });
    google.faults.up();
    await expect(source.expand(cursor, never)).resolves.toMatchObject({ items: [] });
  });
});
