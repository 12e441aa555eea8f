/** The admin port of a process: what people see, and what they may do. */
import type { Audit } from "./domain/audit.ts";
import { noticeAgent } from "./domain/run.ts";
import type { Admin, Control, ProcessRow, Readiness } from "./http/admin.ts";
import { dashboardFolder, version } from "./package.ts";
import type { Gauges } from "./gauges.ts";
import type { Parts } from "./parts.ts";
import { createPauses } from "./pauses.ts";
import { sourceRows } from "./source-rows.ts";
import type { Upkeep } from "./upkeep.ts";
import { createDeadLetters } from "./worker/dead-letters.ts";
import { createForgetting } from "./worker/forgetting.ts";
import { replay } from "./worker/replay.ts";
import { createReview } from "./worker/review.ts";

interface AdministrationParts extends Parts {
  readonly upkeep: Upkeep;
  readonly audit: Audit;
  readonly gauges: Pick<Gauges, "refresh">;
  readonly token: string;
  readonly ready: () => Promise<Readiness>;
  readonly processes: () => Promise<ProcessRow[]>;
}

export interface Administration extends Pick<Admin, "loginPath" | "close"> {
  readonly host: string;
  readonly port: number;
}

/** Resolves once it is answered. Rejects with an Error that says why the port can't be had. */
export async function startAdministration(parts: AdministrationParts): Promise<Administration> {
  const { store, upkeep, guard, clock, current } = parts;
  const server = () => current().settings.loaded.config.server;
  const { watches, healing } = upkeep;
  const { createAdmin } = await import("./http/admin.ts");
  const admin = createAdmin({
    ...parts,
    ...store,
    control: controlOf(parts),
    metrics: {
      async render() {
        await parts.gauges.refresh();
        return parts.metrics.render();
      },
    },
    breakers: () => guard.list(),
    sources: () =>
      sourceRows({ reads: store.reads, clock, current, watches, healedUntil: healing.healedUntil }),
    reached: () => {
      const { adminHosts: hosts, adminUrl, publicUrl } = server();
      return { hosts, urls: [adminUrl, publicUrl] };
    },
    assets: dashboardFolder,
    version,
  });
  const { adminHost: host, adminPort } = server();
  const { port } = await admin.listen({ host, port: adminPort });
  return { host, port, loginPath: admin.loginPath, close: admin.close };
}

function controlOf({ store, queue, upkeep, guard, turns, current }: AdministrationParts): Control {
  const { journal, reads } = store;
  const { jobs, healing, targets } = upkeep;
  return {
    ...createReview(journal, reads, queue, () => current().work),
    ...createDeadLetters(journal, reads),
    ...createForgetting(journal),
    ...createPauses({
      guard,
      turns,
      journal,
      reads,
      queue,
      agents: () => [...current().work.agents.keys(), noticeAgent],
    }),
    heal: healing.heal,
    verify: targets.verify,
    replay: (filter, how) => replay({ ...targets, journal, queue, jobs }, filter, how),
    replays: jobs.list,
    cancelReplay: jobs.cancel,
    resumeReplay: jobs.resume,
  };
}
