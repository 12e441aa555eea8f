/** One HTTP call to a Google endpoint, its failures as ServiceError. */
import type { FaultKind } from "../domain/errors.ts";
import { answeredBadly, callService, objectIn } from "./service-call.ts";
import type { ServiceCall } from "./service-call.ts";

export interface GoogleAnswer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

/**
 * Resolves for 2xx, 400, 401 and 404, which mean different things to different callers. Throws ServiceError for
 * everything else: no connection, no answer in time, rate limits, 403, 5xx, and a body that is no JSON object.
 */
export async function callGoogle(call: ServiceCall): Promise<GoogleAnswer> {
  const answer = await callService(call);
  const { status } = answer;
  const json = objectIn(answer);
  const fault = faultOf(status, json);
  if (fault) throw answeredBadly(call, fault, answer);
  if (json === null && status >= 200 && status < 300) {
    throw answeredBadly(call, "unavailable", { status, retryAfter: null });
  }
  return { status, json: json ?? {} };
}

/** Google tells rate limits from missing rights only by the `reason`: both are 403. */
function faultOf(status: number, json: Readonly<Record<string, unknown>> | null): FaultKind | null {
  if (status === 429) return "rate-limited";
  if (status === 403)
    return /rateLimitExceeded|quotaExceeded/i.test(reasonsOf(json)) ? "rate-limited" : "unauthorized";
  if (status >= 500) return "unavailable";
  return (status >= 200 && status < 300) || [400, 401, 404].includes(status) ? null : "invalid";
}

function reasonsOf(json: Readonly<Record<string, unknown>> | null): string {
  const error = json?.["error"];
  return error !== null && typeof error === "object" && "errors" in error ? JSON.stringify(error.errors) : "";
}
