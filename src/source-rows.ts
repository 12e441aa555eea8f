/** The configured sources as they stand, for whoever asks the admin port. */
import { whyUnhealed } from "./config/gaps.ts";
import { whyNoSecret } from "./config/secret-dates.ts";
import type { Reads } from "./domain/ports.ts";
import type { SourceRow } from "./http/admin-views.ts";
import type { InForce } from "./in-force.ts";
import type { Clock } from "./resilience/clock.ts";
import type { Watches } from "./worker/watches.ts";

export interface SourceRowParts {
  readonly reads: Pick<Reads, "sourceActivity">;
  readonly clock: Clock;
  readonly current: () => InForce;
  readonly watches: Pick<Watches, "view">;
  readonly healedUntil: (source: string) => Promise<number | null>;
}

export async function sourceRows({
  reads,
  clock,
  current,
  watches,
  healedUntil,
}: SourceRowParts): Promise<SourceRow[]> {
  const { sources, settings } = current();
  const activity = new Map((await reads.sourceActivity()).map((row) => [row.source, row]));
  const rows = [...sources.values()].map(async (source) => {
    const { name, type, active } = source;
    const config = settings.loaded.config.sources[name];
    return {
      name,
      type,
      active,
      // Where no secret is lacking, another credential is.
      inactiveReason: active ? null : ((config && whyNoSecret(config, clock.now())) ?? "unset"),
      events: activity.get(name)?.events ?? 0,
      lastEventAt: activity.get(name)?.lastEventAt ?? null,
      lastSecret: activity.get(name)?.lastSecret ?? null,
      unreadable: activity.get(name)?.unreadable ?? null,
      healedUntil: await healedUntil(name),
      unhealed: config ? (active ? whyUnhealed(config) : "it is inactive") : null,
      watch: await watches.view(source),
    };
  });
  return Promise.all(rows);
}
