/**
 * Verifying a stored event again: its bytes against the hash that was taken at receipt, then the signature that came with
 * them under today's secrets, judged as of the time of receipt.
 */
import { ContentDamaged, Rejection } from "../domain/errors.ts";
import { healedAddress } from "../domain/event.ts";
import type { SignedRequest } from "../domain/event.ts";
import { sha256 } from "../domain/json.ts";
import type { Journal, Receipt } from "../domain/ports.ts";
import type { Verification } from "../domain/replay.ts";
import type { RawRequest, Source } from "../domain/source.ts";

interface VerifyParts {
  readonly journal: Pick<Journal, "receipt">;
  readonly sources: ReadonlyMap<string, Source>;
}

const failed = (reason: string): Verification => ({ result: "failed", reason });
const impossible = (reason: string): Verification => ({ result: "impossible", reason });

/** Null when there is no such event. */
export async function verifyAgain(
  { journal, sources }: VerifyParts,
  event: string,
): Promise<Verification | null> {
  try {
    const receipt = await journal.receipt(event);
    return receipt && (await verification(receipt, sources));
  } catch (error) {
    if (!(error instanceof ContentDamaged)) throw error;
    return failed("what is stored of it can't be opened: it was changed since it was received");
  }
}

async function verification(receipt: Receipt, sources: ReadonlyMap<string, Source>): Promise<Verification> {
  const { event, erased, signed } = receipt;
  if (erased) return impossible("retention erased its content");
  if (sha256(event.body) !== event.bodyHash)
    return failed("its stored bytes are not those that were received: their hash is another one");
  const source = sources.get(event.source);
  if (!source) return impossible("its source is not configured any more");
  if (!signed) return impossible(whyUnsigned(receipt, source));
  const request = requestOf(receipt, signed);
  try {
    const { secretIndex } = await source.verify(request);
    if (signed.body !== event.body && !isPartOf(event.bodyHash, source.identify(request)))
      return failed("its stored bytes are not part of the request that was signed");
    return { result: "verified", secretIndex };
  } catch (error) {
    if (!(error instanceof Rejection)) throw error;
    return impossible(
      error.code === "signature_mismatch"
        ? "no secret of its source fits: the one that signed it was removed since"
        : `its source is configured otherwise than when it came (${error.code})`,
    );
  }
}

function whyUnsigned({ delivery }: Receipt, source: Source): string {
  if (delivery === null) return "it was read from the provider, not received: nothing was signed";
  if (delivery.remoteAddress === healedAddress)
    return "it was read from the provider's record, where nothing is signed";
  if (source.evidence === null) return "the provider's token isn't kept";
  return "its signature isn't kept: it came before signatures were, or retention erased its request";
}

const isPartOf = (bodyHash: string, items: ReturnType<Source["identify"]>): boolean =>
  items.some((item) => sha256(item.body) === bodyHash);

/** The request as it was, as far as a signature can be over it. Only a POST is ever verified. */
function requestOf({ event, delivery }: Receipt, signed: SignedRequest): RawRequest {
  const url = signed.url ?? "";
  const query = url.indexOf("?");
  const { buffer, byteOffset, byteLength } = signed.body;
  return {
    method: "POST",
    url,
    query: new URLSearchParams(query < 0 ? "" : url.slice(query + 1)),
    headers: { ...event.headers, ...signed.headers },
    body: Buffer.from(buffer, byteOffset, byteLength),
    remoteAddress: delivery?.remoteAddress ?? "",
    receivedAt: event.receivedAt,
  };
}
