/**
 * How far the server profile goes, on a PostgreSQL and a Redis of its own: accepted events with one and two ingest
 * processes, runs ended by one, two and four workers, how long a run waits for a worker, and what a backlog costs, on
 * SQLite too. Each is measured beside a bare baseline, or beside itself when it is small, in the same run.
 *
 *   npm run bench:scale -- [--only ingest,work,sqlite,postgres] [--rounds 5] [--requests 6000] [--runs 3000]
 *                          [--seconds 20] [--backlog 1000000] [--claims 200]
 */
import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { startServers } from "./fleet.ts";
import { measureBacklog } from "./scale-backlog.ts";
import { measureIngest } from "./scale-ingest.ts";
import { measureWork } from "./scale-work.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "ingest,work,sqlite,postgres" },
    rounds: { type: "string", default: "5" },
    requests: { type: "string", default: "6000" },
    runs: { type: "string", default: "3000" },
    seconds: { type: "string", default: "20" },
    backlog: { type: "string", default: "1000000" },
    claims: { type: "string", default: "200" },
  },
});
const only = values.only.split(",");
const sayLoad = (when: string) =>
  console.log(`load average ${when}: ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores`);

const servers = await startServers();
sayLoad("before");
try {
  if (only.includes("ingest"))
    await measureIngest(servers, { rounds: Number(values.rounds), requests: Number(values.requests) });
  if (only.includes("work"))
    await measureWork(servers, { runs: Number(values.runs), latencySeconds: Number(values.seconds) });
  for (const profile of ["sqlite", "postgres"] as const)
    if (only.includes(profile))
      await measureBacklog(profile, servers, {
        backlog: Number(values.backlog),
        claims: Number(values.claims),
      });
} finally {
  await servers.close();
}
sayLoad("after");
