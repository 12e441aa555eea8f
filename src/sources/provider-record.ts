/** Reading a provider's own record of its events: any failure is a ServiceError that says whose it is. */
import type { FaultKind } from "../domain/errors.ts";
import { answeredBadly, callService, objectIn } from "./service-call.ts";
import type { ServiceAnswer, ServiceCall } from "./service-call.ts";

export interface RecordAnswer {
  /** An object or a list. */
  readonly json: unknown;
  readonly headers: Headers;
}

/** Resolves for 2xx with JSON. Throws ServiceError for everything else. */
export async function readRecord(call: ServiceCall): Promise<RecordAnswer> {
  const answer = await callService(call);
  const kind = faultOf(answer);
  if (kind !== null) {
    const retryAfter = answer.retryAfter ?? secondsToReset(answer, call.clock.now());
    throw answeredBadly(call, kind, { status: answer.status, retryAfter });
  }
  const json = objectIn(answer);
  if (json === null) throw answeredBadly(call, "unavailable", answer, " without JSON");
  return { json, headers: answer.headers };
}

/** GitHub says "too many" with 403 as well; then it says when to come back, or that nothing remains. */
function faultOf({ status, retryAfter, headers }: ServiceAnswer): FaultKind | null {
  if (status >= 200 && status < 300) return null;
  if (status === 429) return "rate-limited";
  if (status === 403 && (retryAfter !== null || headers.get("x-ratelimit-remaining") === "0"))
    return "rate-limited";
  if ([401, 402, 403].includes(status)) return "unauthorized";
  return status >= 500 || status < 400 ? "unavailable" : "invalid";
}

function secondsToReset({ headers }: ServiceAnswer, now: number): string | null {
  const reset = Number(headers.get("x-ratelimit-reset") ?? "");
  return headers.get("x-ratelimit-remaining") === "0" && reset > 0
    ? String(Math.max(1, Math.ceil(reset - now / 1_000)))
    : null;
}
