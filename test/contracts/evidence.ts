/** What every source keeps to when its stored events are verified again. Part of the contract of sources. */
import { expect, it } from "vitest";
import type { RawRequest, Source } from "../../src/domain/source.ts";
import { openStored, spellings } from "../support/stored.ts";

export interface EvidenceCase {
  source(): Source;
  /** Where a signature or a bearer token is; null where a secret is in the body. */
  readonly credentialHeader: string | null;
  readonly hasSecrets: boolean;
  signed(by: "first" | "second"): Promise<RawRequest> | RawRequest;
  /** In the body of what `signed` gives. */
  readonly bodySecret: string | null;
}

const key = Buffer.alloc(32, 9);

function receiver(given: EvidenceCase) {
  const received = async (by: "first" | "second" = "first", options: { key?: Buffer } = {}) => {
    const stored = openStored(options);
    const source = given.source();
    const request = await given.signed(by);
    const accepted = await stored.receive(source, request);
    const events = accepted.map(({ event }) => event);
    const verify = async () => Promise.all(events.map((event) => stored.verify(event, source)));
    return { stored, request, events, verify };
  };
  const credentialOf = (request: RawRequest): string =>
    given.credentialHeader === null
      ? (given.bodySecret ?? "")
      : (request.headers[given.credentialHeader] ?? "");
  return { received, credentialOf };
}

/** A bearer token proves who sends and signs nothing: it is not kept. */
export function bearerClauses(given: EvidenceCase): void {
  const { received, credentialOf } = receiver(given);
  it("keeps no token, and says that its events can't be verified again", async () => {
    const { stored, request, verify } = await received();
    expect(given.source().evidence).toBeNull();
    expect(await verify()).toEqual([{ result: "impossible", reason: "the provider's token isn't kept" }]);
    expect(credentialOf(request).length).toBeGreaterThan(8);
    for (const text of spellings(credentialOf(request))) expect(stored.bytes()).not.toContain(text);
  });
  it("still finds a byte that changed in its stored events", async () => {
    const { stored, verify } = await received();
    stored.flip("events", "body", "true");
    expect(await verify()).toMatchObject([{ result: "failed" }]);
  });
}

export function signatureClauses(given: EvidenceCase): void {
  const { received, credentialOf } = receiver(given);
  it("verifies what it accepted again, from what the journal stored, and says by which secret", async () => {
    for (const by of given.hasSecrets ? (["first", "second"] as const) : (["first"] as const)) {
      const { stored, verify } = await received(by);
      await stored.clock.advance(400 * 86_400_000);
      const index = given.hasSecrets ? ["first", "second"].indexOf(by) : null;
      for (const verification of await verify())
        expect(verification).toEqual({ result: "verified", secretIndex: index });
    }
  });

  it.each([undefined, key])("finds a byte that changed in a stored event (key: %s)", async (sealing) => {
    const { stored, events, verify } = await received("first", sealing ? { key: sealing } : {});
    expect(await verify()).toMatchObject(events.map(() => ({ result: "verified" })));
    stored.flip("events", "body", `id = '${events[0] ?? ""}'`);
    expect((await verify())[0]).toMatchObject({ result: "failed" });
  });

  it("keeps its signature readable in the file without a key, and not at all with one", async () => {
    const plain = await received();
    const credential = credentialOf(plain.request);
    expect(plain.stored.bytes()).toContain(credential);
    const sealed = await received("first", { key });
    for (const text of spellings(credentialOf(sealed.request)))
      expect(sealed.stored.bytes()).not.toContain(text);
    expect(await sealed.verify()).toMatchObject(sealed.events.map(() => ({ result: "verified" })));
  });

  it("leaves nothing of its signature after retention, and says that there is nothing to check", async () => {
    const { stored, request, events, verify } = await received();
    expect(await stored.journal.eraseContent(request.receivedAt + 1, 100)).toBe(events.length);
    expect(await verify()).toEqual(
      events.map(() => ({ result: "impossible", reason: "retention erased its content" })),
    );
    const receipts = await Promise.all(events.map((event) => stored.journal.receipt(event)));
    expect(receipts.map((receipt) => receipt?.signed ?? null)).toEqual(events.map(() => null));
  });
}
