/** Gap healing as configured: which sources, how often, what their routes ask for, and who is told. */
import type { InForce } from "./in-force.ts";
import { fitsGlob } from "./inbox/patterns.ts";
import type { Alerts } from "./observability/alerts.ts";
import { startHealing } from "./worker/healing.ts";
import type { Healing, HealingParts } from "./worker/healing.ts";

type Configured = "sources" | "settings" | "wanted" | "onTrouble";

export function healGaps(
  parts: Omit<HealingParts, Configured> & { readonly alerts: Alerts },
  current: () => InForce,
): Healing {
  return startHealing({
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
}
