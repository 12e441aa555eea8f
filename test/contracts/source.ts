/** What every source keeps to, whatever its scheme. Each source's test runs this with its own way to sign. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rejection } from "../../src/domain/errors.ts";
import type { RawRequest, Source } from "../../src/domain/source.ts";
import { bearerClauses, signatureClauses } from "./evidence.ts";

export interface SourceCase {
  /** Called once the suite's own beforeAll hooks have run. */
  source(): Source;
  /** Lower case: where the signature or token is; null for schemes that put it into the body. */
  readonly credentialHeader: string | null;
  /** The scheme's signature covers the body. */
  readonly coversBody: boolean;
  /** How far the signed time may be off, in milliseconds; null for schemes without one. */
  readonly tolerance: { readonly pastMs: number; readonly futureMs: number } | null;
  /** False for providers that sign with keys of their own. */
  readonly hasSecrets: boolean;
  /** A bearer token, or a secret in the body, stands for a signature: its text. Left out where there is a signature. */
  readonly bearer?: { readonly bodySecret: string | null };
  /** An empty body is an event too. */
  readonly takesEmptyBody?: boolean;
  /** A valid request but for what is asked for. `signedAt` in milliseconds since the epoch. */
  signed(options: {
    by: "first" | "second" | "stranger";
    signedAt: number;
  }): Promise<RawRequest> | RawRequest;
}

const now = 1_700_000_000_000;

const refusalOf = async (source: Source, request: RawRequest): Promise<Rejection> => {
  try {
    await source.verify(request);
  } catch (error) {
    if (error instanceof Rejection) return error;
    throw error;
  }
  throw new Error("verified, though it should have been refused");
};

const withBody = (request: RawRequest, body: Buffer): RawRequest => ({ ...request, body });
const withHeader = (request: RawRequest, name: string, value: string | undefined): RawRequest => {
  const { [name]: _, ...headers } = request.headers;
  return { ...request, headers: value === undefined ? headers : { ...headers, [name]: value } };
};

/** A clause for those that it concerns; for the others it does not exist, rather than being skipped. */
const itIf = (concerned: boolean): ((clause: string, test: () => Promise<void>) => void) =>
  concerned ? it : () => {};

export function sourceContract(title: string, given: SourceCase): void {
  const inHeader = given.credentialHeader !== null;
  const credentialHeader = given.credentialHeader ?? "x-signature";
  const valid = async (signedAt = now) => ({
    ...(await given.signed({ by: "first", signedAt })),
    receivedAt: now,
  });

  // A signature per changed byte: slow where the scheme is RSA and the machine is busy.
  describe(`${title} keeps to the contract of sources`, { timeout: 60_000 }, () => {
    it("is active, and names a limit and headers that hold no credential", () => {
      const source = given.source();
      expect(source.active).toBe(true);
      expect(source.maxBodyBytes).toBeGreaterThanOrEqual(1_000_000);
      expect(source.keptHeaders).not.toContain(credentialHeader);
      expect(source.keptHeaders.filter((name) => /signature|authorization|cookie|token/.test(name))).toEqual(
        [],
      );
    });

    it("accepts a valid request and identifies an event in it", async () => {
      const request = await valid();
      const verified = await given.source().verify(request);
      expect(verified.secretIndex).toBe(given.hasSecrets ? 0 : null);
      const events = given.source().identify(request);
      expect(events.length).toBeGreaterThan(0);
      for (const event of events) {
        expect(event.dedupeKeys.length).toBeGreaterThan(0);
        expect(event.payload).toEqual(JSON.parse(event.body.toString("utf8")));
      }
    });

    it("finds the same keys in the same request", async () => {
      const first = given.source().identify(await valid());
      const again = given.source().identify(await valid());
      expect(again.map((event) => event.dedupeKeys)).toEqual(first.map((event) => event.dedupeKeys));
    });

    itIf(given.coversBody)("refuses a request when any one byte of the body was changed", async () => {
      const request = await valid();
      for (let at = 0; at < request.body.length; at += 1) {
        const body = Buffer.from(request.body);
        body[at] = (body[at] ?? 0) ^ (1 << (at % 8));
        expect((await refusalOf(given.source(), withBody(request, body))).status).toBe(401);
      }
    });

    itIf(given.coversBody)("refuses a body that was cut short or added to", async () => {
      const request = await valid();
      for (const body of [
        request.body.subarray(1),
        request.body.subarray(0, -1),
        Buffer.concat([request.body, Buffer.from("\n")]),
      ]) {
        expect((await refusalOf(given.source(), withBody(request, body))).code).toBe("signature_mismatch");
      }
    });

    itIf(inHeader)("refuses a request when any one character of its credential was changed", async () => {
      const request = await valid();
      const credential = request.headers[credentialHeader] ?? "";
      for (let at = 0; at < credential.length; at += 1) {
        const other = String.fromCharCode(credential.charCodeAt(at) ^ 1);
        const changed = credential.slice(0, at) + other + credential.slice(at + 1);
        expect((await refusalOf(given.source(), withHeader(request, credentialHeader, changed))).status).toBe(
          401,
        );
      }
    });

    it("refuses a stranger's signature, and does not tell what would have been right", async () => {
      const request = await given.signed({ by: "stranger", signedAt: now });
      const refusal = await refusalOf(given.source(), { ...request, receivedAt: now });
      expect(refusal.status).toBe(401);
      expect(refusal.code).toMatch(/^(signature_mismatch|token_invalid|client_state_mismatch)$/);
      expect(refusal.message).not.toMatch(/[0-9a-f]{16}|eyJ|whsec_|secret-/);
      expect(refusal.cause).toBeUndefined();
    });

    itIf(inHeader)("refuses a request without its credential, or with an empty or doubled one", async () => {
      const request = await valid();
      const credential = request.headers[credentialHeader] ?? "";
      expect(
        (await refusalOf(given.source(), withHeader(request, credentialHeader, undefined))).code,
      ).toMatch(/_missing$/);
      expect((await refusalOf(given.source(), withHeader(request, credentialHeader, ""))).code).toMatch(
        /_missing$/,
      );
      const doubled = withHeader(request, credentialHeader, `${credential}, ${credential}`);
      expect((await refusalOf(given.source(), doubled)).code).toMatch(/_malformed$/);
    });

    itIf(given.hasSecrets)("tells which secret matched", async () => {
      const request = await given.signed({ by: "second", signedAt: now });
      expect((await given.source().verify({ ...request, receivedAt: now })).secretIndex).toBe(1);
    });

    itIf(given.tolerance !== null)(
      "judges the signed time against the time of receipt, both ways",
      async () => {
        const { pastMs, futureMs } = given.tolerance ?? { pastMs: 0, futureMs: 0 };
        for (const signedAt of [now - pastMs, now + futureMs]) {
          const verified = await given.source().verify(await valid(signedAt));
          expect(verified.secretIndex).toBe(given.hasSecrets ? 0 : null);
        }
        expect((await refusalOf(given.source(), await valid(now - pastMs - 1_000))).status).toBe(401);
        expect((await refusalOf(given.source(), await valid(now + futureMs + 1_000))).status).toBe(401);
      },
    );

    it("answers any credential and body with a Rejection, never with another error", async () => {
      const request = await valid();
      const source = given.source();
      const credentials = fc.oneof(
        fc.string({ unit: "binary" }),
        fc
          .array(
            fc.constantFrom(
              "t=",
              "v1=",
              "sha256=",
              ",",
              "Bearer ",
              ".",
              "=",
              "1700000000",
              "a".repeat(64),
              "eyJhbGciOiJub25lIn0",
            ),
            { maxLength: 8 },
          )
          .map((parts) => parts.join("")),
      );
      await fc.assert(
        fc.asyncProperty(credentials, fc.uint8Array({ maxLength: 200 }), async (credential, body) => {
          const fuzzed = withHeader(withBody(request, Buffer.from(body)), credentialHeader, credential);
          expect((await refusalOf(source, fuzzed)).status).toBe(401);
        }),
        { numRuns: 300 },
      );
    });

    it("reads any authentic body into events, or refuses it with 400", async () => {
      const request = await valid();
      const source = given.source();
      const bodies = fc.oneof(
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        fc.json({ maxDepth: 5 }).map((text) => Buffer.from(text)),
        fc
          .record(
            {
              id: fc.anything(),
              type: fc.anything(),
              created: fc.anything(),
              action: fc.anything(),
              message: fc.anything(),
              pull_request: fc.anything(),
              head_commit: fc.anything(),
            },
            { requiredKeys: [] },
          )
          .map((value) =>
            Buffer.from(
              JSON.stringify(value, (_, item: unknown) => (typeof item === "bigint" ? String(item) : item)),
            ),
          ),
      );
      fc.assert(
        fc.property(
          bodies,
          fc.dictionary(fc.constantFrom("content-type", "x-github-event", "x-github-delivery"), fc.string()),
          (body, headers) => {
            try {
              for (const event of source.identify({
                ...request,
                headers: { ...request.headers, ...headers },
                body,
              })) {
                expect(event.providerId).not.toBe("");
                expect(event.type).not.toBe("");
                // eslint-disable-next-line no-control-regex
                expect([event.providerId, event.type, ...event.dedupeKeys].join("")).not.toMatch(
                  /[\u0000-\u001f]/,
                );
              }
            } catch (error) {
              if (!(error instanceof Rejection)) throw error;
              expect(error.status).toBe(400);
            }
          },
        ),
        { numRuns: 500 },
      );
    });

    it("refuses bodies that are nested without end, are no UTF-8, or are no object, and says so", async () => {
      const request = await valid();
      const unreadable = [
        Buffer.from("[".repeat(1_000_000)),
        Buffer.from(`{"a":${"[".repeat(64)}${"]".repeat(64)}}`),
        Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
        Buffer.from("[]"),
        Buffer.from("null"),
        ...(given.takesEmptyBody ? [] : [Buffer.from("")]),
        Buffer.from('{"a":1'),
      ];
      for (const body of unreadable) {
        expect(() => given.source().identify(withBody(request, body))).toThrow(
          expect.objectContaining({ name: "Rejection", status: 400, code: "malformed_json" }),
        );
      }
    });

    const evidenceClauses = given.bearer ? bearerClauses : signatureClauses;
    evidenceClauses({
      source: () => given.source(),
      credentialHeader: given.credentialHeader,
      bodySecret: given.bearer?.bodySecret ?? null,
      hasSecrets: given.hasSecrets,
      signed: async (by) => ({ ...(await given.signed({ by, signedAt: now })), receivedAt: now }),
    });
  });
}
