/**
 * How many runs a second one, two and four workers end, and how long a run waits for a worker while webhooks come in.
 * Two kinds of runs: one whose agent has nothing to do, which is what the service itself costs, and one that reads a
 * pull request and asks a model that takes its time. Bare jobs of BullMQ on the same Redis are done beside them.
 */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { openPostgresJournal } from "../src/journal/postgres.ts";
import { systemClock } from "../src/resilience/clock.ts";
import { createIds } from "../src/resilience/ids.ts";
import { createRequests } from "../test/support/requests.ts";
import { modelMs, secret } from "./fleet.ts";
import type { Installation, Servers } from "./fleet.ts";
import { pullRequestBody, signedRequest } from "./github-events.ts";
import type { PullRequestEvent } from "./github-events.ts";
import { runLoad } from "./load.ts";
import { row } from "./print.ts";

/** Runs at the same time in each worker. */
const hands = 20;
const bodyBytes = 3_800;
const atOnce = 200;
/** For each worker, before it counts: code is loaded when it is needed, and the first hundred runs pay for it. */
const warmUp = 100;
const workers = [1, 2, 4] as const;

type Kind = PullRequestEvent["action"];
const kinds: readonly { readonly action: Kind; readonly name: string }[] = [
  { action: "closed", name: "nothing to do" },
  { action: "opened", name: `reads GitHub, asks a model (${modelMs} ms)` },
];

export interface WorkOptions {
  /** Of the kind that has nothing to do; of the other a fifth. */
  readonly runs: number;
  readonly latencySeconds: number;
}

export async function measureWork(servers: Servers, { runs, latencySeconds }: WorkOptions): Promise<void> {
  seedPullRequests(servers, Math.max(runs / 5, 80 * latencySeconds) + 4 * warmUp);
  const limit = await bareJobs(servers.redisPort, runs);
  console.log(`\nruns, ${hands} at a time in each worker`);
  row(`bare BullMQ jobs, ${hands} at a time`, [`${Math.round(limit)}/s`]);
  let twoWorkers = 0;
  for (const { action, name } of kinds) {
    for (const count of workers) {
      const { rate, cpuMs } = await throughput(servers, {
        action,
        count,
        runs: action === "closed" ? runs : runs / 5,
      });
      if (count === 2 && action === "opened") twoWorkers = rate;
      row(`${count} worker${count === 1 ? "" : "s"}: ${name}`, [
        `${rate.toFixed(rate < 100 ? 1 : 0)}/s`,
        `${((100 * rate) / limit).toFixed(1)} %`,
        `${cpuMs.toFixed(1)} ms CPU each`,
      ]);
    }
  }
  console.log(
    `\nfrom stored to the first step begun, 1 ingest process and 2 workers, ${latencySeconds} s each`,
  );
  for (const share of [0.25, 0.5, 0.75])
    await latency(servers, Math.max(1, twoWorkers * share), share, latencySeconds);
}

function seedPullRequests({ github }: Servers, count: number): void {
  const patch = "@@ -1 +1 @@\n-two\n+zwei";
  for (let number = 1; number <= count; number += 1) {
    github.addPullRequest({
      owner: "acme",
      repo: "counting",
      number,
      title: "Count in German",
      body: "It counts.",
      branch: `b${number}`,
      baseSha: `ba5e${number}`.padEnd(12, "0"),
      headSha: `4ead${number}`.padEnd(12, "0"),
      author: "ada",
      files: [{ filename: "a.ts", status: "modified", additions: 1, deletions: 1, patch }],
    });
  }
}

/** Of a process so far, in its own code and in the system's for it, by Linux's count in hundredths of a second. */
function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** All are due at once, with the workers up; the first and the last tenth are left out. */
async function throughput(
  servers: Servers,
  { action, count, runs }: { readonly action: Kind; readonly count: number; readonly runs: number },
): Promise<{ rate: number; cpuMs: number }> {
  const installation = await servers.installation(hands);
  try {
    const warm = count * warmUp;
    await storeRuns(installation, action, warm + runs);
    await installation.query("UPDATE runs SET due_at = due_at + 86400000");
    const release = (ids: string) =>
      installation.query(`UPDATE runs SET due_at = due_at - 86400000 WHERE id IN (${ids})`);
    const started = await installation.start("worker", count);
    await release(`SELECT id FROM runs ORDER BY id LIMIT ${warm}`);
    await untilDone(installation, warm);
    const cpuOfAll = () => started.reduce((sum, { pid }) => sum + cpuMsOf(pid), 0);
    const before = cpuOfAll();
    await release(`SELECT id FROM runs ORDER BY id OFFSET ${warm}`);
    await untilDone(installation, warm + runs);
    const cpuMs = (cpuOfAll() - before) / runs;
    const [span] = await installation.query(
      `SELECT percentile_disc(0.9) WITHIN GROUP (ORDER BY updated_at) - percentile_disc(0.1) WITHIN GROUP (ORDER BY updated_at) AS ms
       FROM (SELECT updated_at FROM runs ORDER BY id OFFSET ${warm}) AS measured`,
    );
    return { rate: (0.8 * runs * 1_000) / Number(span?.["ms"]), cpuMs };
  } finally {
    await installation.close();
  }
}

async function storeRuns({ url }: Installation, action: Kind, count: number): Promise<void> {
  const { journal } = await openPostgresJournal({ url, clock: systemClock });
  const { item, request, run } = createRequests(createIds(systemClock));
  const type = `pull_request.${action}`;
  for (let stored = 0; stored < count; stored += atOnce) {
    const items = Array.from({ length: Math.min(atOnce, count - stored) }, (_, at) => {
      const number = stored + at + 1;
      const body = Buffer.from(pullRequestBody({ action, number, size: bodyBytes }));
      return item([`${action}-${number}`], [run({ mode: "dry-run", route: "review" })], { type, body });
    });
    await journal.accept(request(...items));
  }
  await journal.close();
}

async function untilDone({ query }: Installation, count: number): Promise<void> {
  for (;;) {
    const [row] = await query(
      "SELECT count(*) FILTER (WHERE status = 'dead') AS dead, count(*) FILTER (WHERE status = 'succeeded') AS done FROM runs",
    );
    if (Number(row?.["dead"]) > 0) {
      const [dead] = await query("SELECT reason FROM runs WHERE status = 'dead' LIMIT 1");
      throw new Error(`runs died: ${String(dead?.["reason"])}`);
    }
    if (Number(row?.["done"]) >= count) return;
    await pause(250);
  }
}

/** Webhooks come at a steady rate, whether or not the ones before were worked on. */
async function latency(servers: Servers, perSecond: number, share: number, seconds: number): Promise<void> {
  const installation = await servers.installation(hands);
  const everyMs = 200;
  try {
    const [ingest] = await installation.start("ingest", 1);
    const port = Number(new URL(ingest?.ingestUrl ?? "").port);
    await installation.start("worker", 2);
    const warm = 2 * warmUp;
    const count = Math.round(perSecond * seconds);
    const signed = (number: number) =>
      signedRequest(pullRequestBody({ action: "opened", number, size: bodyBytes }), secret);
    await runLoad(
      port,
      Array.from({ length: warm }, (_, at) => signed(count + at + 1)),
      4,
    );
    await untilDone(installation, warm);
    const sending: Promise<unknown>[] = [];
    const begun = performance.now();
    let sent = 0;
    while (sent < count) {
      const due = Math.min(count, Math.ceil(((performance.now() - begun) / 1_000) * perSecond));
      const batch = Array.from({ length: due - sent }, (_, at) => signed(sent + at + 1));
      sent = due;
      if (batch.length > 0) sending.push(runLoad(port, batch, Math.min(batch.length, 4)));
      await pause(everyMs);
    }
    await Promise.all(sending);
    await untilDone(installation, warm + count);
    const [found] = await installation.query(
      `SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ms) AS p50, percentile_disc(0.99) WITHIN GROUP (ORDER BY ms) AS p99
       FROM (SELECT min(s.started_at) - r.created_at AS ms FROM (SELECT * FROM runs ORDER BY id OFFSET ${warm}) r JOIN steps s ON s.run = r.id GROUP BY r.id, r.created_at) AS waited`,
    );
    row(`${perSecond.toFixed(0)} events/s, ${share * 100} % of what they end`, [
      `p50 ${Number(found?.["p50"])} ms`,
      `p99 ${Number(found?.["p99"])} ms`,
    ]);
  } finally {
    await installation.close();
  }
}

async function bareJobs(port: number, count: number): Promise<number> {
  const { Queue, Worker } = await import("bullmq");
  const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
  const queue = new Queue("bare", { connection, prefix: "{bare}" });
  const options = { removeOnComplete: true, removeOnFail: true };
  for (let added = 0; added < count; added += 500) {
    const jobs = Array.from({ length: Math.min(500, count - added) }, (_, at) => ({
      name: "run",
      data: `run_${added + at}`,
      opts: { ...options, jobId: `run_${added + at}.0` },
    }));
    await queue.addBulk(jobs);
  }
  let left = count;
  const begun = performance.now();
  const worker = new Worker("bare", async () => {}, { connection, prefix: "{bare}", concurrency: hands });
  await new Promise<void>((resolve) => worker.on("completed", () => --left === 0 && resolve()));
  const perSecond = (count * 1_000) / (performance.now() - begun);
  await worker.close();
  await queue.close();
  return perSecond;
}
