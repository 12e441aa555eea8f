/** The time that a sender signed along with its request, so that a captured request is worth nothing later. */
import { Rejection } from "../domain/errors.ts";

const iso = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/** Milliseconds since the epoch of an ISO 8601 time with a zone; null for any other text. */
export function isoTime(text: string): number | null {
  const at = iso.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/**
 * Judged against the time of receipt, both ways, in milliseconds; call it after the signature was checked, so that
 * `timestamp_out_of_tolerance` tells an operator that the secret is right. Throws Rejection 401.
 */
export function requireFresh(signedAt: number, receivedAt: number, toleranceMs: number): void {
  if (Math.abs(receivedAt - signedAt) <= toleranceMs) return;
  throw new Rejection(
    401,
    "timestamp_out_of_tolerance",
    `the signed time is more than ${toleranceMs / 1_000} s from ours; sign each attempt anew, and check this machine's clock`,
  );
}
