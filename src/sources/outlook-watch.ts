/**
 * The subscription that makes Graph notify us of new mail. It lives a week at most and is renewed before half of its life:
 *
 *   none, gone (404), or of another mailbox, address or secret ──subscribe──▶ held ──extend──▶ held …
 *
 * A new one is made before older ones to the same address are ended, so that there is no moment without. Extending it is
 * also what `reauthorizationRequired` asks for.
 */
import { ServiceError } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { Watch } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import type { GraphApi, Subscription } from "./graph-api.ts";

export interface OutlookWatchOptions {
  readonly source: string;
  readonly api: GraphApi;
  /** Where Graph reaches this source; empty when nobody said. */
  readonly notificationUrl: string;
  /** The secret that new subscriptions carry, now. */
  readonly clientState: () => string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/** Graph's limit for mail is 10,080 minutes; an hour less, so that clocks may differ. */
const lifeMs = (10_080 - 60) * 60_000;
const renewAfter = 0.4;

export function outlookWatch({
  source,
  api,
  notificationUrl,
  clientState,
  clock,
  log,
}: OutlookWatchOptions): (held: Watch | null, signal: AbortSignal) => Promise<Watch> {
  const unusable = (what: string): ServiceError => new ServiceError(`source:${source}`, "invalid", what);

  /** Orphans of a start that died between making one and noting it, and those of an earlier secret. */
  async function endOthers(kept: Subscription, signal: AbortSignal): Promise<void> {
    try {
      for (const one of await api.subscriptions(signal)) {
        const ours = one.notificationUrl === notificationUrl && sameResource(one.resource, api.resource);
        if (ours && one.id !== kept.id) await api.unsubscribe(one.id, signal);
      }
    } catch (error) {
      // They end by themselves within a week, and what they announce until then is passed over.
      log.warn({ source, err: error }, "outlook: older subscriptions could not be ended");
    }
  }

  return async (held, signal) => {
    const secret = clientState();
    if (notificationUrl === "") {
      throw unusable(
        "it can't be notified: set `server.publicUrl` to the address that Microsoft reaches it under",
      );
    }
    if (secret === null) throw unusable("all its `secrets` have expired; set a new one");
    if (secret.length > 128)
      throw unusable("its first secret is longer than Graph's limit of 128 characters");
    const of = sha256(api.resource, notificationUrl, secret);
    const expiresAt = clock.now() + lifeMs;
    const extended = held?.id != null && held.of === of ? await api.extend(held.id, expiresAt, signal) : null;
    const kept =
      extended ?? (await api.subscribe({ notificationUrl, clientState: secret, expiresAt }, signal));
    if (extended === null) await endOthers(kept, signal);
    const renewAt = clock.now() + Math.max(0, kept.expiresAt - clock.now()) * renewAfter;
    return { id: kept.id, of, expiresAt: kept.expiresAt, renewAt: Math.floor(renewAt) };
  };
}

/** Graph may answer with another case, or with a slash in front. */
const sameResource = (a: string, b: string): boolean =>
  a.replace(/^\//, "").toLowerCase() === b.replace(/^\//, "").toLowerCase();
