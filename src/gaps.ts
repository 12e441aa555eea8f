/** Gap healing as configured: which sources, how often, what their routes ask for, and who is told. */
import { whyUnhealed } from "./config/gaps.ts";
import { Conflict } from "./domain/errors.ts";
import type { InForce } from "./in-force.ts";
import { fitsGlob } from "./inbox/patterns.ts";
import type { Alerts } from "./observability/alerts.ts";
import { createHealing } from "./worker/healing.ts";
import type { Healing, HealingParts } from "./worker/healing.ts";

type Configured = "sources" | "settings" | "wanted" | "onTrouble";

export function healGaps(
  parts: Omit<HealingParts, Configured> & { readonly alerts: Alerts },
  current: () => InForce,
): Healing {
  const healing = createHealing({
    ...parts,
    sources: () => current().sources,
    settings: () => current().settings.loaded.config.healing,
    wanted: (source) => {
      const types = current()
        .routing.routes.filter((route) => route.source === source)
        .flatMap((route) => route.events);
      return { types: [...new Set(types)], wants: (type) => types.some((glob) => fitsGlob(glob, type)) };
    },
    onTrouble: (source, message) =>
      parts.alerts.raise("source-silent", source, `source ${source}: ${message}`),
  });
  return {
    ...healing,
    heal: async (source, since) => {
      const config = current().settings.loaded.config.sources[source];
      const why = config && current().sources.get(source)?.active ? whyUnhealed(config) : null;
      if (why !== null) throw new Conflict("wrong_state", `source ${source} can't be healed: ${why}`);
      return healing.heal(source, since);
    },
  };
}
