/** One run of chaos, from an empty folder to the comparison of the three records. */
import { join } from "node:path";
import { failPoints } from "../../../src/resilience/fail-points.ts";
import { startSandbox } from "../../../src/sandbox/index.ts";
import type { Call } from "../../../src/sandbox/call.ts";
import type { Sandbox } from "../../../src/sandbox/index.ts";
import { startRelay } from "../../support/relay.ts";
import { audit } from "./audit.ts";
import type { ActionRow, Audit, EventRow, RunRow } from "./audit.ts";
import { configurationText, environmentFor } from "./configuration.ts";
import { finalItems, finalMails, itemsOf } from "./items.ts";
import { openLedger } from "./ledger.ts";
import { live, planLives } from "./lives.ts";
import type { LivesOptions, LivesReport } from "./lives.ts";
import { startPerson } from "./person.ts";
import { randomOf } from "./random.ts";
import { send } from "./senders.ts";
import { fleetService } from "./fleet.ts";
import { embeddedService } from "./service.ts";
import type { ServiceUnderTest } from "./service.ts";
import { plannedRefusal, startWeather } from "./weather.ts";

export interface ChaosOptions extends LivesOptions {
  readonly seed: string;
  /** `server`: a fleet on PostgreSQL and Redis. */
  readonly profile: "embedded" | "server";
  readonly events: number;
  /** Everything of the run is in here. */
  readonly folder: string;
  /** How long bodies are kept: `90s`. */
  readonly retention: string;
  /** How likely a request to a vendor is to meet each of the faults. */
  readonly noise: number;
  readonly lanes: number;
  readonly replays: number;
  /** For how long nothing may go forward at the end, before what is open is held to be lost. */
  readonly restMs: number;
  /** How often a fail point that was not come by in its life is tried again; from 1 on, all have to be killed at. */
  readonly patience: number;
  readonly say: (line: string) => void;
}

export interface ChaosReport {
  readonly audit: Audit;
  readonly lives: LivesReport;
  /** Fail points that were not come by in any life. */
  readonly unseen: readonly string[];
  /** Fail points that it was not killed at, though every one was to be. */
  readonly spared: readonly string[];
  readonly weather: Readonly<Record<string, number>>;
  readonly refusals: Readonly<Record<number, number>>;
  readonly person: { readonly approved: number; readonly rejected: number; readonly replayed: number };
  /** What of a fleet ended, and how often. */
  readonly deaths: Readonly<Record<string, number>>;
}

const stormEveryMs = 9_000;
const stormMs: readonly [number, number] = [2_000, 7_000];
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function chaos(options: ChaosOptions): Promise<ChaosReport> {
  const random = randomOf(options.seed);
  const sandbox = await startSandbox();
  let service: ServiceUnderTest | null = null;
  const relay = await startRelay(async () => {
    for (let look = 0; look < 100 && service?.ingestUrl() == null; look += 1) await wait(20);
    return service?.ingestUrl() ?? null;
  });
  try {
    const parts = {
      folder: options.folder,
      config: configurationText(relay.url, options.retention),
      env: environmentFor(sandbox),
    };
    const own =
      options.profile === "embedded"
        ? embeddedService(parts)
        : await fleetService({ ...parts, random: random.fork("victims") });
    service = own;
    return await play(options, random, { sandbox, service: own, publicUrl: relay.url });
  } finally {
    await service?.close();
    await relay.close();
    await sandbox.close();
  }
}

interface Stage {
  readonly sandbox: Sandbox;
  readonly service: ServiceUnderTest;
  readonly publicUrl: string;
}

async function play(
  options: ChaosOptions,
  random: ReturnType<typeof randomOf>,
  { sandbox, service, publicUrl }: Stage,
): Promise<ChaosReport> {
  const { say } = options;
  const parts = { sandbox, publicUrl, now: Date.now };
  const items = itemsOf(options.events, random.fork("items"), parts);
  const plans = planLives({ ...options, disks: service.pages() !== null }, random.fork("lives"));
  const ledger = openLedger(join(options.folder, "ledger.jsonl"));
  await connectMailboxes(service, sandbox);
  const weather = startWeather(sandbox, random.fork("weather"), { noise: options.noise });
  // The events are spread over the lives, so that the last kill meets as much as the first: half of those of a life come
  // while it starts, and the others once it is up.
  const share = 0.5 / plans.length;
  let lived = share;
  const due = () => lived * items.length;
  const sending = send(items, {
    ledger,
    random: random.fork("senders"),
    ingestUrl: () => service.ingestUrl(),
    lanes: options.lanes,
    turn: async (sent) => {
      while (sent > due()) await wait(50);
    },
  });
  const person = startPerson({
    service,
    random: random.fork("person"),
    known: () => sending.known(),
    replays: options.replays,
  });
  const storms = random.fork("storms");
  const storming = setInterval(() => weather.storm(storms.int(...stormMs)), stormEveryMs);
  const lives = await live(plans, {
    service,
    random: random.fork("disks"),
    patience: options.patience,
    onUp: () => (lived += share),
    onDeath: (plan, death, { number, total }) => {
      lived = number / total + share;
      const how = death.unexpected ?? `${death.who}: ${death.point ?? (plan.drains ? "drained" : "kill -9")}`;
      const disk = plan.disk === "good" ? "" : `, disk ${plan.disk}`;
      const missed = plan.point === death.point ? "" : `, did not come by ${plan.point}`;
      say(
        `${number}/${total} ${how}${disk}${plan.point === null ? "" : missed}; ${sending.sent()} of ${items.length} events acknowledged`,
      );
    },
  });
  clearInterval(storming);
  lived = 1;
  weather.end();
  ill(sandbox);
  await service.start("*=note");
  say(`the vendors are well; ${sending.sent()} of ${items.length} events acknowledged so far`);
  await sending.done;
  for (const item of finalItems(parts)) await until(() => sending.attempt(item));
  await until(() => person.replayLatest());
  await atRest({ service, sandbox, person, patienceMs: options.restMs });
  await person.stop();
  const records = {
    ledger: ledger.lines,
    events: await all<EventRow>(service, "/api/events"),
    runs: await all<RunRow>(service, "/api/runs"),
    actions: await all<ActionRow>(service, "/api/actions"),
    effects: sandbox.effects(),
    alerts: sandbox.slack.state.messages.filter(({ text }) => text.startsWith("[signalbox] ")).length,
    planned: plannedRefusal,
  };
  service.terminate();
  const last = await service.ended();
  const passed = new Set([...lives.passed, ...last.passed]);
  return {
    audit: audit(records),
    lives,
    spared: options.patience === 0 ? [] : failPoints.filter((point) => !lives.killedAt.has(point)),
    unseen: failPoints.filter((point) => !passed.has(point)),
    weather: weather.counts(),
    refusals: sending.refusals(),
    person: person.counts(),
    deaths: service.deaths(),
  };
}

/** What chance may have left out happens at the end: a refusal that is alerted, an outcome that has to be looked up. */
function ill({ zendesk }: Sandbox): void {
  const about = (address: string) => ({
    when: ({ method, path, raw }: Call) =>
      method === "POST" && path.endsWith("/tickets") && raw.includes(address),
  });
  zendesk.faults.fail({ status: 422, ...about(finalMails.refused) });
  zendesk.faults.drop({ after: "effect", ...about(finalMails.unsure) });
}

/** What never comes true is told by the audit, not by a run that hangs. */
async function until(done: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300 && !(await done()); tries += 1) await wait(100);
}

/** Nobody announces mail of a mailbox that is not connected yet: that comes first, and in peace. */
async function connectMailboxes(service: ServiceUnderTest, { google, graph }: Sandbox): Promise<void> {
  await service.start("*=note");
  await google.received(({ path }) => path.endsWith("/profile"));
  await graph.received(({ method, path }) => method === "GET" && path.endsWith("/delta"));
  await wait(1_000);
  service.kill();
  await service.ended();
}

interface Resting {
  readonly service: ServiceUnderTest;
  readonly sandbox: Sandbox;
  readonly person: { nothingHeld(): Promise<boolean> };
  readonly patienceMs: number;
}

/**
 * Until no run is open and nobody can decide anything more, or nothing has gone forward for as long as patience lasts:
 * then the audit says what is left. Work that waits for its turn at a vendor takes its time.
 */
async function atRest({ service, sandbox, person, patienceMs }: Resting): Promise<void> {
  let until = Date.now() + patienceMs;
  let seen = "";
  while (Date.now() < until) {
    const overview = await service.admin<{ runs: Record<string, number> }>("/api/overview");
    const now = `${sandbox.effects().length} ${JSON.stringify(overview?.runs)}`;
    if (now !== seen) until = Date.now() + patienceMs;
    seen = now;
    const open = overview && ["queued", "running", "waiting"].some((status) => overview.runs[status] !== 0);
    if (open === false && (await person.nothingHeld())) return;
    await wait(500);
  }
}

async function all<T>(service: ServiceUnderTest, path: string): Promise<T[]> {
  const rows: T[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const query: string = `?limit=200${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`;
    const page: { items: T[]; next: string | null } | null = await service.admin(path + query);
    if (page === null) throw new Error(`the service did not answer ${path}`);
    rows.push(...page.items);
    cursor = page.next;
  }
  return rows;
}
