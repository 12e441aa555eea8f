/** What doctor says of the server profile: its database, its queue, and its processes. */
import { silentLog } from "../observability/log.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import type { Finding } from "./finding.ts";
import type { ProcessView } from "./service.ts";

/** Of a fleet that does not run here: whether it could. Changes nothing. */
export async function serverFindings({ environment }: Context): Promise<Finding[]> {
  const { databaseUrl, redisUrl } = environment;
  if (databaseUrl === null || redisUrl === null) return [];
  return [await databaseFinding(databaseUrl), await queueFinding(redisUrl, environment.redisAllowEviction)];
}

async function databaseFinding(url: string): Promise<Finding> {
  const check = "database";
  try {
    const { openClient, usualLimits } = await import("../journal/postgres-driver.ts");
    const { checkServer } = await import("../journal/postgres-schema.ts");
    const client = await openClient(url, usualLimits.answer);
    try {
      await checkServer(client);
    } finally {
      await client.end();
    }
    return { check, status: "ok", message: "PostgreSQL answers, and is fit" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { check, status: "fault", message };
  }
}

async function queueFinding(url: string, allowEviction: boolean): Promise<Finding> {
  const check = "queue";
  try {
    const { openRedisLink } = await import("../queue/redis-link.ts");
    const link = await openRedisLink({ url, allowEviction, clock: systemClock, log: silentLog });
    const trouble = link.trouble();
    link.close();
    if (trouble === null) return { check, status: "ok", message: "Redis answers" };
    const fix =
      "Events are stored without it, and worked on when it is back. Is it running, and REDIS_URL right?";
    return { check, status: "warn", message: `Redis can't be reached: ${trouble}`, fix };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { check, status: "fault", message };
  }
}

/** Nothing of the embedded profile, which is one process. */
export function processFindings(processes: readonly ProcessView[], isFleet: boolean): Finding[] {
  if (!isFleet) return [];
  const check = "processes";
  const up = processes.filter(({ trouble }) => trouble === null);
  const ofRole = (role: ProcessView["role"]) => up.filter((one) => one.role === role).length;
  const roles = (["all", "ingest", "worker"] as const)
    .filter((role) => ofRole(role) > 0)
    .map((role) => `${ofRole(role)} ${role}`);
  const leader = up.find(({ leading }) => leading);
  const lacking = [
    ofRole("all") + ofRole("ingest") === 0 && "none receives: start one with `signalbox start --role ingest`",
    ofRole("all") + ofRole("worker") === 0 && "none works: start one with `signalbox start --role worker`",
  ].filter((fault) => fault !== false);
  return [
    {
      check,
      status: "ok",
      message: `${up.length} process${up.length === 1 ? "" : "es"} (${roles.join(", ")})${
        leader ? `; ${leader.pid} on ${leader.host} leads` : ""
      }`,
    },
    ...lacking.map((message): Finding => ({ check, status: "warn", message })),
    ...processes
      .filter(({ trouble }) => trouble !== null)
      .map(({ role, pid, host, trouble }): Finding => ({
        check,
        status: "warn",
        message: `${role} ${pid} on ${host}: ${trouble}`,
        fix: "Give every process the same files, and restart one that does not follow; one that is gone is forgotten within the hour.",
      })),
  ];
}
