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

export interface TamperingCase {
  source(): Source;
  /** Milliseconds since the epoch at which `signed` is valid. */
  readonly now: number;
  /** A valid request, signed at `at` (milliseconds since the epoch). */
  signed(at: number): { headers: Readonly<Record<string, string>>; body: string };
  /** Names of the headers that the signature covers, its own among them; lower case. */
  readonly covered: readonly string[];
  /** How far the signed time may be off, in milliseconds; null for schemes without one. */
  readonly toleranceMs: number | null;
}

type Change = (bytes: Buffer) => Buffer;
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const at = (bytes: Buffer, share: number): number => Math.floor(share * bytes.length);
/** Two places in order. */
const between = fc.tuple(place, place).map(([a, b]) => (a < b ? ([a, b] as const) : ([b, a] as const)));

const changes: fc.Arbitrary<Change> = fc.oneof(
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

    const valid = given.signed(given.now);
    const body = Buffer.from(valid.body);

    it("is accepted as long as it is whole", async () => {
      expect(await statusOf({ headers: flat(valid.headers), body })).toBe(200);
      expect(inbox.stored).toHaveLength(1);
    });

    it("is refused when the body was flipped, cut, reordered or repeated in any place", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(changes, { minLength: 1, maxLength: 3 }), async (steps) => {
          const changed = steps.reduce<Buffer>((bytes, change) => change(bytes), body);
          fc.pre(!changed.equals(body));
          await expectRefused({ headers: flat(valid.headers), body: changed });
        }),
        { numRuns: 200 },
      );
    });

    it("is refused when a covered header was flipped, cut, reordered or repeated in any place", async () => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...given.covered), changes, async (name, change) => {
          const value = valid.headers[name] ?? "";
          const changed = change(Buffer.from(value, "latin1")).toString("latin1");
          fc.pre(changed !== value && isHeaderValue(changed));
          await expectRefused({ headers: flat({ ...valid.headers, [name]: changed }), body });
        }),
        { numRuns: 300 },
      );
    });

    it.each(given.covered)("is refused when %s is absent, empty, or sent twice", async (name) => {
      const { [name]: value = "", ...others } = valid.headers;
      await expectRefused({ headers: flat(others), body });
      await expectRefused({ headers: [...flat(others), name, ""], body });
      await expectRefused({ headers: [...flat(valid.headers), name, value], body });
    });

    it("is refused when covered headers or bodies of two valid requests were exchanged", async () => {
      const other = given.signed(given.now - 1_000);
      for (const name of given.covered) {
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
            const sent = given.signed(given.now + (ahead ? seconds : -seconds) * 1_000);
            await expectRefused({ headers: flat(sent.headers), body: Buffer.from(sent.body) });
          },
        ),
        { numRuns: 100 },
      );
    });
  });
}
