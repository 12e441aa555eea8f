/**
 * The contract of a destination. The first half is about the wire, and runs against a server that fails as it is told;
 * the second is about effects, and runs against the vendor's stand-in.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { ActionKind } from "../../src/domain/action-kinds.ts";
import { actionKinds } from "../../src/domain/action-kinds.ts";
import type { ActionRef } from "../../src/domain/action.ts";
import { ServiceError } from "../../src/domain/errors.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import type { ActionExecutor, Destination, LookUp } from "../../src/domain/ports.ts";
import type { ScriptServer } from "../support/http-script.ts";
import { json, refusingUrl, startScript } from "../support/http-script.ts";
import { manualClock } from "../support/clock.ts";

export const contractClock = manualClock();

export interface DestinationCase {
  /** With the credentials below, at this base URL. */
  connect(baseUrl: string): Destination;
  /** One for each value that is needed: with all the others. */
  readonly incomplete: readonly Destination[];
  /** What must never be seen in an error. */
  readonly secrets: readonly string[];
  readonly inputs: Readonly<Partial<Record<ActionKind, JsonObject>>>;
  /** The kinds whose first request is a read; it is answered with this, so that the write is reached. */
  readonly readsFirst?: Readonly<Partial<Record<ActionKind, unknown>>>;
}

export const anyCall = (since = 0): LookUp => ({ signal: new AbortController().signal, since });

export const executorOf = (destination: Destination, kind: ActionKind): ActionExecutor => {
  const executor = destination.actions[kind];
  if (!executor) throw new Error(`${destination.name} does not carry out ${kind}`);
  return executor;
};

const parsed = (kind: ActionKind, input: JsonObject): JsonObject =>
  actionKinds[kind].parse(input) as JsonObject;

export async function faultOf(attempt: Promise<unknown>): Promise<ServiceError> {
  const error: unknown = await attempt.then(
    (value) => new Error(`it succeeded with ${JSON.stringify(value)}`),
    (failure: unknown) => failure,
  );
  if (error instanceof ServiceError) return error;
  throw error;
}

/** How a destination behaves when the wire or the vendor fails. */
export function destinationFaultContract(name: string, spec: DestinationCase): void {
  describe(`${name}: the contract of a destination, its faults`, () => {
    let server: ScriptServer;
    beforeAll(async () => {
      server = await startScript(json(500, {}));
    });
    afterAll(() => server.close());

    it("is not configured while a value that it needs is missing", () => {
      expect(spec.incomplete.map((destination) => destination.configured)).toEqual(
        spec.incomplete.map(() => false),
      );
      expect(spec.connect(server.url).configured).toBe(true);
    });

    for (const [kind, input] of Object.entries(spec.inputs) as [ActionKind, JsonObject][]) {
      describe(kind, () => {
        const onWrite = (script: Parameters<ScriptServer["run"]>[0]) => {
          const read = spec.readsFirst?.[kind];
          server.run((request, response) =>
            read !== undefined && request.method === "GET"
              ? json(200, read)(request, response)
              : script(request, response),
          );
        };
        const execute = (call = anyCall(), url = server.url) =>
          executorOf(spec.connect(url), kind).execute(parsed(kind, input), "key-of-a-fault", call);
        const isWrite = (method: string) => spec.readsFirst?.[kind] === undefined || method !== "GET";

        it("ends at the signal, closes the connection and leaves the outcome open", async () => {
          onWrite(() => {});
          const controller = new AbortController();
          const reached = server.next((request) => isWrite(request.method));
          const fault = faultOf(execute({ ...anyCall(), signal: controller.signal }));
          const request = await reached;
          controller.abort(new DOMException("no answer within 60000 ms", "TimeoutError"));
          expect(await fault).toMatchObject({ kind: "timeout", effect: "unknown", service: name });
          await request.closed;
        });

        it("ends at the signal in the middle of an answer", async () => {
          const begun = new Promise<void>((resolve) => {
            onWrite((_request, response) => {
              response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
              response.write("{", () => resolve());
            });
          });
          const controller = new AbortController();
          const fault = faultOf(execute({ ...anyCall(), signal: controller.signal }));
          await begun;
          controller.abort(new DOMException("no answer within 60000 ms", "TimeoutError"));
          expect(await fault).toMatchObject({ kind: "timeout", effect: "unknown" });
        });

        it("sends nothing when the signal has aborted before", async () => {
          const before = server.seen.length;
          const fault = await faultOf(
            execute({ ...anyCall(), signal: AbortSignal.abort(new Error("given up")) }),
          );
          expect(fault).toMatchObject({ kind: "timeout", effect: "none" });
          expect(server.seen).toHaveLength(before);
        });

        it("takes a refused connection for no effect", async () => {
          const fault = await faultOf(execute(anyCall(), await refusingUrl()));
          expect(fault).toMatchObject({ kind: "unavailable", effect: "none" });
        });

        it("takes a connection that breaks after the request for an open outcome", async () => {
          onWrite((_request, response) => void response.socket?.destroy());
          const before = server.seen.length;
          expect(await faultOf(execute())).toMatchObject({ kind: "unavailable", effect: "unknown" });
          const writes = server.seen.slice(before).filter((request) => isWrite(request.method));
          expect(writes).toHaveLength(1);
        });

        it.each([500, 502, 503])(
          "takes %i for an outage with an open outcome, and does not try again",
          async (status) => {
            onWrite(json(status, { message: "sorry" }));
            const before = server.seen.length;
            expect(await faultOf(execute())).toMatchObject({
              kind: "unavailable",
              effect: "unknown",
              status,
            });
            expect(server.seen.slice(before).filter((request) => isWrite(request.method))).toHaveLength(1);
          },
        );

        it("takes a 429 for a rate limit, and obeys its Retry-After in seconds and as a date", async () => {
          onWrite(json(429, { message: "slow down" }, { "retry-after": "7" }));
          expect(await faultOf(execute())).toMatchObject({
            kind: "rate-limited",
            effect: "none",
            retryAfterMs: 7_000,
          });
          const date = new Date(contractClock.now() + 9_000).toUTCString();
          onWrite(json(429, { message: "slow down" }, { "retry-after": date }));
          expect(await faultOf(execute())).toMatchObject({ kind: "rate-limited", retryAfterMs: 9_000 });
        });

        it.each([401, 402, 403])("takes %i for missing permission, without effect", async (status) => {
          onWrite(json(status, { message: "who are you" }));
          expect(await faultOf(execute())).toMatchObject({ kind: "unauthorized", effect: "none", status });
        });

        it.each([400, 404, 422])("takes %i for a fault of the request, without effect", async (status) => {
          onWrite(json(status, { message: "no such thing" }));
          expect(await faultOf(execute())).toMatchObject({ kind: "invalid", effect: "none", status });
        });

        it("takes a page of HTML for an outage with an open outcome", async () => {
          onWrite((_request, response) => {
            response.writeHead(200, { "content-type": "text/html" });
            response.end("<html><body>Under maintenance</body></html>");
          });
          expect(await faultOf(execute())).toMatchObject({ kind: "unavailable", effect: "unknown" });
        });

        it("shows no credential and no address, even where the vendor sends them back", async () => {
          onWrite((request, response) => {
            const echo = `${JSON.stringify(request.headers)} ada@example.com`;
            const text = `${echo} ${spec.secrets.join(" ")}`;
            json(400, { message: text, error: text, errors: [{ message: text }] })(request, response);
          });
          const fault = await faultOf(execute());
          const shown = `${fault.message} ${fault.stack} ${JSON.stringify(fault)} ${String(fault.cause)}`;
          for (const secret of [...spec.secrets, "ada@example.com"]) expect(shown).not.toContain(secret);
        });
      });
    }
  });
}

/** The vendor's stand-in, as the second half needs it. */
export interface VendorStand {
  readonly url: string;
  /** What people would notice. */
  effects(): number;
  /** A valid input for what the stand-in was seeded with. */
  input(kind: ActionKind): JsonObject;
  /** The next write takes effect, and its answer is lost. */
  loseAnswer(): void;
  close(): Promise<void>;
}

export interface EffectCase {
  readonly kinds: readonly ActionKind[];
  start(): Promise<VendorStand>;
  connect(baseUrl: string): Destination;
}

/** What a worker does after an unknown outcome: look up where that is possible, else repeat where that is allowed. */
async function again(executor: ActionExecutor, input: JsonObject, key: string): Promise<ActionRef> {
  const found = await executor.lookup?.(input, key, anyCall());
  return found ?? executor.execute(input, key, anyCall());
}

export function destinationEffectContract(name: string, spec: EffectCase): void {
  describe(`${name}: the contract of a destination, its effects`, () => {
    const key = "0123456789abcdef0123456789abcdef01234567";
    let stand: VendorStand;
    beforeEach(async () => {
      stand = await spec.start();
    });
    afterEach(() => stand.close());

    describe.each(spec.kinds)("%s", (kind) => {
      const executor = () => executorOf(spec.connect(stand.url), kind);
      const input = () => parsed(kind, stand.input(kind));

      it("has one effect when it is carried out, and says what it made in strings", async () => {
        const ref = await executor().execute(input(), key, anyCall());
        expect(stand.effects()).toBe(1);
        expect(Object.values(ref).every((value) => typeof value === "string" && value !== "")).toBe(true);
        expect(ref["id"]).toBeDefined();
      });

      it("has one effect when its answer is lost and it is looked up or repeated", async () => {
        stand.loseAnswer();
        const fault = await faultOf(executor().execute(input(), key, anyCall()));
        expect(fault).toMatchObject({ kind: "unavailable", effect: "unknown" });
        expect(stand.effects()).toBe(1);
        const ref = await again(executor(), input(), key);
        expect(stand.effects()).toBe(1);
        expect(ref["id"]).toBeDefined();
      });

      it("has one effect when it is repeated blindly, where that is declared to be safe", async () => {
        const { repeat } = executor();
        const first = await executor().execute(input(), key, anyCall());
        if (repeat !== "natural" && repeat !== "vendor-key") return;
        expect(await executor().execute(input(), key, anyCall())).toEqual(first);
        expect(stand.effects()).toBe(1);
      });

      it("is found after it was done, and not before, nor under another key", async () => {
        const { lookup, repeat } = executor();
        if (!lookup) {
          expect(["natural", "never"]).toContain(repeat);
          return;
        }
        expect(await lookup(input(), key, anyCall())).toBeNull();
        const ref = await executor().execute(input(), key, anyCall());
        expect(await lookup(input(), key, anyCall())).toEqual(ref);
        expect(await lookup(input(), `${key.slice(1)}f`, anyCall())).toBeNull();
      });
    });
  });
}
