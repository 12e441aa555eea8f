/**
 * What every source keeps to when a valid request is bent on the way: through the receiver's real socket, never a 2xx,
 * never a 5xx, nothing stored. Only what the scheme covers is changed.
 */
import { Agent, request as httpRequest } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Source } from "../../src/domain/source.ts";
import { createIngest } from "../../src/http/ingest.ts";
import { silentLog } from "../../src/observability/log.ts";
import { createMetrics } from "../../src/observability/metrics.ts";
import { manualClock } from "../support/clock.ts";
import { memoryInbox } from "../support/memory-inbox.ts";

interface Signed {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface TamperingCase {
  source(): Source;
  /** Milliseconds since the epoch at which `signed` is valid. */
  readonly now: number;
  /** A valid request, signed at `at` (milliseconds since the epoch). */
  signed(at: number): Signed | Promise<Signed>;
  /** Names of the headers that the signature covers, its own among them; lower case. */
  readonly covered: readonly string[];
  /** False where the credential proves who sent the request, not what is in it. Default: true. */
  readonly coversBody?: boolean;
  /** Whether the scheme itself takes the changed header for the same statement: a further signature beside the right one. */
  readonly same?: (was: string, changed: string) => boolean;
  /** How far the signed time may be off, in milliseconds; null for schemes without one. */
  readonly toleranceMs: number | null;
}

type Change = (bytes: Buffer) => Buffer;
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (bytes: Buffer, share: number): number => Math.floor(share * bytes.length);
/** Two places in order. */
const between = fc.tuple(place, place).map(([a, b]) => (a < b ? ([a, b] as const) : ([b, a] as const)));

export const changes: fc.Arbitrary<Change> = fc.oneof(
  // A bit turned over.
  fc.tuple(place, fc.nat(7)).map(([share, bit]) => (bytes: Buffer) => {
    const changed = Buffer.from(bytes);
    const index = at(bytes, share);
    changed[index] = (changed[index] ?? 0) ^ (1 << bit);
    return changed;
  }),
  // A part cut out, from the ends too.
  between.map(
    ([from, to]) =>
      (bytes: Buffer) =>
        Buffer.concat([bytes.subarray(0, at(bytes, from)), bytes.subarray(at(bytes, to) + 1)]),
  ),
  // Two halves in the wrong order.
  place.map(
    (share) => (bytes: Buffer) =>
      Buffer.concat([bytes.subarray(at(bytes, share)), bytes.subarray(0, at(bytes, share))]),
  ),
  // A part said twice.
  between.map(
    ([from, to]) =>
      (bytes: Buffer) =>
        Buffer.concat([bytes.subarray(0, at(bytes, to) + 1), bytes.subarray(at(bytes, from))]),
  ),
);

interface Sent {
  /** Name, value, name, value. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

const flat = (headers: Readonly<Record<string, string>>): string[] => Object.entries(headers).flat();
/** What HTTP carries in a header, and does not take off its ends. */
const isHeaderValue = (text: string): boolean => /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text);

export function tamperingContract(title: string, given: TamperingCase): void {
  describe(`${title}, bent on the way`, { timeout: 60_000 }, () => {
    const inbox = memoryInbox();
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const { covered, coversBody = true, same = () => false } = given;
    let valid: Signed = { headers: {}, body: "" };
    let body = Buffer.alloc(0);
    let url = "";
    let stop = (): Promise<void> => Promise.resolve();

    beforeAll(async () => {
      const source = given.source();
      const ingest = createIngest({
        sources: new Map([["bent", source]]),
        inbox,
        metrics: createMetrics(),
        log: silentLog,
        clock: manualClock(given.now),
      });
      url = `http://127.0.0.1:${(await ingest.listen({ host: "127.0.0.1", port: 0 })).port}/webhooks/bent`;
      stop = () => ingest.close(0);
      valid = await given.signed(given.now);
      body = Buffer.from(valid.body);
    });
    afterAll(async () => {
      agent.destroy();
      await stop();
    });

    const statusOf = ({ headers, body }: Sent): Promise<number> =>
      new Promise((resolve, reject) => {
        const framing = ["host", "localhost", "content-length", String(body.length)];
        const sent = httpRequest(
          url,
          { method: "POST", agent, headers: [...headers, ...framing] },
          (response) => {
            response.resume();
            response.on("end", () => resolve(response.statusCode ?? 0));
          },
        );
        sent.on("error", reject);
        sent.end(body);
      });

    const expectRefused = async (sent: Sent): Promise<void> => {
      const before = inbox.stored.length;
      // 429 once this address has had its share of 401.
      expect([401, 429]).toContain(await statusOf(sent));
      expect(inbox.stored.length).toBe(before);
    };

    it("is accepted as long as it is whole", async () => {
      expect(await statusOf({ headers: flat(valid.headers), body })).toBe(200);
      expect(inbox.stored).toHaveLength(1);
    });

    const promise = coversBody ? "is refused" : "may be refused, and breaks nothing,";
    it(`${promise} when the body was flipped, cut, reordered or repeated in any place`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 3 }), async (steps) => {
          const changed = steps.reduce<Buffer>((bytes, change) => change(bytes), body);
          fc.pre(!changed.equals(body));
          const sent = { headers: flat(valid.headers), body: changed };
          if (coversBody) await expectRefused(sent);
          else expect([200, 400]).toContain(await statusOf(sent));
        }),
        { numRuns: 200 },
      );
    });

    it("is never answered 5xx, whatever stands in the headers that are not covered", async () => {
      const open = [...Object.keys(valid.headers), "content-type", "x-forwarded-for", "user-agent"].filter(
        (name) => !covered.includes(name.toLowerCase()),
      );
      const value = fc.oneof(
        changes.map((change) => (was: string) => change(Buffer.from(was, "latin1")).toString("latin1")),
        fc.string({ maxLength: 300 }).map((text) => () => text),
      );
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...open), value, async (name, change) => {
          const changed = change(valid.headers[name] ?? "application/json");
          fc.pre(isHeaderValue(changed));
          const status = await statusOf({ headers: flat({ ...valid.headers, [name]: changed }), body });
          expect([200, 400]).toContain(status);
        }),
        { numRuns: 200 },
      );
    });

    it("is refused when a covered header was flipped, cut, reordered or repeated in any place", async () => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...covered), changes, async (name, change) => {
          const value = valid.headers[name] ?? "";
          const changed = change(Buffer.from(value, "latin1")).toString("latin1");
          fc.pre(changed !== value && isHeaderValue(changed) && !same(value, changed));
          await expectRefused({ headers: flat({ ...valid.headers, [name]: changed }), body });
        }),
        { numRuns: 300 },
      );
    });

    it.each(covered)("is refused when %s is absent, empty, or sent twice", async (name) => {
      const { [name]: value = "", ...others } = valid.headers;
      await expectRefused({ headers: flat(others), body });
      await expectRefused({ headers: [...flat(others), name, ""], body });
      await expectRefused({ headers: [...flat(valid.headers), name, value], body });
    });

    const itIfBody = coversBody ? it : () => {};
    itIfBody("is refused when covered headers or bodies of two valid requests were exchanged", async () => {
      const other = await given.signed(given.now - 1_000);
      // One header that says all is, with the same body, the other request.
      for (const name of covered.length > 1 ? covered : []) {
        const value = other.headers[name] ?? "";
        if (value === valid.headers[name]) continue;
        await expectRefused({ headers: flat({ ...valid.headers, [name]: value }), body });
      }
      await expectRefused({ headers: flat(valid.headers), body: Buffer.concat([body, body]) });
    });

    const { toleranceMs } = given;
    if (toleranceMs === null) return;
    it("is refused when it was signed too long ago, or too far ahead", async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.integer({ min: toleranceMs / 1_000 + 1, max: 1_000_000_000 }),
          fc.boolean(),
          async (seconds, ahead) => {
            const sent = await given.signed(given.now + (ahead ? seconds : -seconds) * 1_000);
            await expectRefused({ headers: flat(sent.headers), body: Buffer.from(sent.body) });
          },
        ),
        { numRuns: 100 },
      );
    });
  });
}
