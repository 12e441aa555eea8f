/** How many events a second are accepted by one and by two processes, beside bare inserts into the same server. */
import pg from "pg";
import { secret } from "./fleet.ts";
import type { Servers } from "./fleet.ts";
import { pullRequestBody, signedRequest } from "./github-events.ts";
import { median, percentile, runLoad } from "./load.ts";
import { row } from "./print.ts";

interface IngestOptions {
  readonly rounds: number;
  readonly requests: number;
}

const connections = 64;
/** As many as two processes have for their journals. */
const inserting = 16;
const bodyBytes = 3_800;

interface Contender {
  readonly name: string;
  readonly rates: number[];
  readonly latencies: number[];
  round(): Promise<{ perSecond: number; latencies: readonly number[] }>;
}

export async function measureIngest(servers: Servers, { rounds, requests }: IngestOptions): Promise<void> {
  const opened = await Promise.all([servers.installation(1), servers.installation(1)]);
  const [one, two] = opened;
  try {
    const pool = new pg.Pool({ connectionString: one.url, max: inserting });
    await pool.query("CREATE TABLE bare (id text PRIMARY KEY, body bytea NOT NULL)");
    const contenders: Contender[] = [
      { name: "bare INSERT + COMMIT, 16 connections", ...empty(), round: () => insertAll(pool, requests) },
    ];
    for (const [installation, count] of [
      [one, 1],
      [two, 2],
    ] as const) {
      const ports = (await installation.start("ingest", count)).map(({ ingestUrl }) =>
        Number(new URL(ingestUrl).port),
      );
      const name = `${count} ingest process${count === 1 ? "" : "es"}`;
      contenders.push({ name, ...empty(), round: () => acceptAll(ports, requests) });
    }
    for (let round = 0; round <= rounds; round += 1) {
      for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
        const { perSecond, latencies } = await contender.round();
        // The first round warms up all of them.
        if (round === 0) continue;
        contender.rates.push(perSecond);
        contender.latencies.push(...latencies);
      }
    }
    await pool.end();
    console.log(
      `\naccepted events, ${bodyBytes} bytes each, ${connections} connections, ${rounds} rounds of ${requests}, medians`,
    );
    const limit = median(contenders[0]?.rates ?? []);
    for (const { name, rates, latencies } of contenders) {
      const rate = median(rates);
      row(name, [
        `${Math.round(rate)}/s`,
        `${Math.round((100 * rate) / limit)} %`,
        `p50 ${percentile(latencies, 50).toFixed(1)} ms`,
        `p99 ${percentile(latencies, 99).toFixed(1)} ms`,
      ]);
    }
  } finally {
    for (const installation of opened) await installation.close();
  }
}

const empty = () => ({ rates: [] as number[], latencies: [] as number[] });

let inserted = 0;
async function insertAll(pool: pg.Pool, count: number): ReturnType<Contender["round"]> {
  const body = Buffer.alloc(bodyBytes, "x");
  const latencies: number[] = [];
  let left = count;
  const lane = async () => {
    for (; left > 0; left -= 1) {
      const begun = performance.now();
      await pool.query({
        name: "bare",
        text: "INSERT INTO bare VALUES ($1, $2)",
        values: [`e${++inserted}`, body],
      });
      latencies.push(performance.now() - begun);
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: inserting }, lane));
  return { perSecond: (count * 1_000) / (performance.now() - begun), latencies };
}

async function acceptAll(ports: readonly number[], count: number): ReturnType<Contender["round"]> {
  const each = Math.floor(count / ports.length);
  const prepared = ports.map(() =>
    Array.from({ length: each }, (_, number) =>
      signedRequest(pullRequestBody({ action: "closed", number, size: bodyBytes }), secret),
    ),
  );
  const begun = performance.now();
  const results = await Promise.all(
    ports.map((port, at) => runLoad(port, prepared[at] ?? [], connections / ports.length)),
  );
  return {
    perSecond: (each * ports.length * 1_000) / (performance.now() - begun),
    latencies: results.flatMap(({ latencies }) => latencies),
  };
}
