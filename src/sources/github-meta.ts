/** Where GitHub's webhooks come from, in its own words: https://docs.github.com/rest/meta/meta */
import { ServiceError } from "../domain/errors.ts";
import { parseNetwork } from "../domain/network.ts";
import type { Clock } from "../resilience/clock.ts";
import { answeredBadly, callService, objectIn } from "./service-call.ts";

const metaUrl = "https://api.github.com/meta";

/** `hooks` of GitHub's /meta: CIDR ranges, at least one. Throws ServiceError, also when the answer makes no sense. */
export async function readGithubHookNetworks(options: {
  readonly url: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}): Promise<string[]> {
  const { clock, signal } = options;
  const call = { service: "github", what: "the list of its addresses", clock };
  const answer = await callService({ ...call, signal, method: "GET", url: options.url ?? metaUrl });
  if (answer.status !== 200) throw answeredBadly(call, "unavailable", answer);
  const hooks = objectIn(answer)?.["hooks"];
  const networks = Array.isArray(hooks) ? hooks.filter((one) => typeof one === "string") : [];
  // Half a list would shut out half of GitHub.
  if (!Array.isArray(hooks) || networks.length === 0 || networks.length !== hooks.length)
    throw new ServiceError("github", "unavailable", "its /meta names no `hooks`");
  if (networks.some((one) => parseNetwork(one) === null))
    throw new ServiceError("github", "unavailable", "its /meta holds something else than networks");
  return networks;
}
