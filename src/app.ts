/** The composition: configuration → parts → start and stop. The only file, with main.ts, that knows every room. */
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Environment } from "./config/environment.ts";
import type { Fault } from "./config/faults.ts";
import { watchConfig } from "./config/reload.ts";
import type { Audit } from "./domain/audit.ts";
import { Conflict } from "./domain/errors.ts";
import { createGithubAddresses, wantsGithubAddresses } from "./github-addresses.ts";
import { everyHour, showSecretAges, tellExpired } from "./hourly.ts";
import { healGaps } from "./gaps.ts";
import { createGuarding } from "./guarding.ts";
import { createIngest } from "./http/ingest.ts";
import { loadSettings, putInForce } from "./in-force.ts";
import type { InForce, SettingsOptions } from "./in-force.ts";
import { createInbox } from "./inbox/accept.ts";
import { openSqliteJournal } from "./journal/sqlite.ts";
import type { JournalParts } from "./journal/journal.ts";
import { createVault } from "./journal/vault.ts";
import { createAlerts } from "./observability/alerts.ts";
import type { Alerts } from "./observability/alerts.ts";
import { createFallbackWatch } from "./observability/fallback-rate.ts";
import { createLog } from "./observability/log.ts";
import type { Log } from "./observability/log.ts";
import { createMetrics } from "./observability/metrics.ts";
import type { Metrics } from "./observability/metrics.ts";
import { dashboardFolder, version } from "./package.ts";
import { createReadiness } from "./readiness.ts";
import { createEmbeddedQueue } from "./queue/embedded.ts";
import { systemClock } from "./resilience/clock.ts";
import type { Clock } from "./resilience/clock.ts";
import type { Guard } from "./resilience/guard.ts";
import { createIds } from "./resilience/ids.ts";
import { armFailPoints, failPoint, nothingFails } from "./resilience/fail-points.ts";
import { sourceRows } from "./source-rows.ts";
import { createDeadLetters } from "./worker/dead-letters.ts";
import { startReplayJobs } from "./worker/replay-jobs.ts";
import type { Turns } from "./resilience/turns.ts";
import { replay } from "./worker/replay.ts";
import { createReview } from "./worker/review.ts";
import type { Healing } from "./worker/healing.ts";
import { lastAlive, startSweeper } from "./worker/sweeper.ts";
import { startSilenceAlarm } from "./worker/silence.ts";
import { verifyAgain } from "./worker/verify.ts";
import { createWatches, heldWatch } from "./worker/watches.ts";
import { createWorker } from "./worker/worker.ts";

/** The configuration can't be used; `faults` says everything that is wrong with it, for config/faults.ts to render. */
export class InvalidConfiguration extends Error {
  override readonly name = "InvalidConfiguration";
  readonly faults: readonly Fault[];
  constructor(faults: readonly Fault[]) {
    super(`the configuration has ${faults.length} fault${faults.length === 1 ? "" : "s"}`);
    this.faults = faults;
  }
}

export interface AppOptions extends SettingsOptions {
  readonly environment: Environment;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Replaces SIGNALBOX_DATA_DIR. */
  readonly dataDir?: string;
}

export interface App {
  readonly config: InForce["settings"]["loaded"];
  readonly dataDir: string;
  readonly ingest: { readonly host: string; readonly port: number };
  readonly admin: { readonly host: string; readonly port: number };
  readonly adminToken: string;
  /** Path and query below the admin port that log a browser in once, within the hour. */
  loginPath(): string;
  /**
   * Stops receiving, lets work in hand end for as long as `worker.drainTimeout` says, hands back what does not, and
   * closes the journal.
   */
  stop(): Promise<void>;
  /** The longest that `stop` takes when nothing hangs, in milliseconds. */
  stopMs(): number;
}

/** Requests that are being stored when the stop comes. */
const ingestGraceMs = 5_000;
/** What a stop takes besides its draining. */
const stopMarginMs = 10_000;
/** A stuck agent leaves a quarter of the hands to the others. */
const mostPerAgent = (concurrency: number): number =>
  Math.max(1, concurrency - Math.max(1, Math.floor(concurrency / 4)));

/** Throws InvalidConfiguration, or an error whose message says what to do. */
export async function startApp(options: AppOptions): Promise<App> {
  const clock = options.clock ?? systemClock;
  const settings = await loadSettings(options, clock.now());
  if (!settings.ok) throw new InvalidConfiguration(settings.faults);
  if (options.environment.databaseUrl !== null) {
    throw new Error(
      "DATABASE_URL and REDIS_URL choose the server profile, which this version does not have: unset both for the embedded one",
    );
  }
  const log = options.log ?? createLog(options.environment.logLevel);
  armFailPoints(options.environment.failPlan);
  if (options.environment.failPlan !== nothingFails)
    log.warn({}, "SIGNALBOX_FAIL_POINTS is set: this process is going to fail on purpose");
  const metrics = createMetrics();
  const dataDir = resolve(options.cwd, options.dataDir ?? options.environment.dataDir);
  const maxPages = options.environment.failPlan.journalPages;
  const store = openSqliteJournal({
    folder: dataDir,
    clock,
    vault: createVault(options.environment.encryptionKeys),
    ...(maxPages === null ? {} : { maxPages }),
  });
  failPoint("start.opened");
  let inForce: InForce;
  const alerts = createAlerts({
    settings: () => inForce.settings.loaded.config.alerts,
    destinations: () => inForce.destinations,
    mailbox: () => addressIn(inForce.settings.loaded.config.destinations.email?.from),
    clock,
    log,
  });
  const { guard, turns } = createGuarding({
    state: store.state,
    config: () => inForce.settings.loaded.config,
    clock,
    metrics,
    alerts,
    log,
  });
  const watchOf = (source: string) => heldWatch(store.state, source);
  const fallbacks = createFallbackWatch(clock, (agent, message) =>
    alerts.raise("fallback-rate", agent, message),
  );
  const onAsked = (agent: string, fell: boolean) => fallbacks.decided(agent, fell);
  const parts = { guard, turns, clock, log, metrics, environment: options.environment, watchOf, onAsked };
  inForce = putInForce(settings, parts);
  try {
    return await startParts(
      options,
      { ...parts, store, alerts, dataDir },
      () => inForce,
      (next) => {
        inForce = putInForce(next, parts);
      },
    );
  } catch (error) {
    await store.journal.close();
    throw error;
  }
}

interface Parts {
  readonly guard: Guard;
  readonly turns: Turns;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly environment: Environment;
  readonly store: JournalParts;
  readonly alerts: Alerts;
  readonly dataDir: string;
}

async function startParts(
  options: AppOptions,
  parts: Parts,
  current: () => InForce,
  reload: (settings: InForce["settings"]) => void,
): Promise<App> {
  const { store, clock, log, metrics, guard, alerts, dataDir } = parts;
  const { journal, reads, state, changes } = store;
  const ids = createIds(clock);
  const queue = createEmbeddedQueue(journal, clock, log);
  const inbox = createInbox({ journal, queue, table: () => current().routing, clock, ids, log });
  const sources = () => current().sources;
  const onSilent = (source: string, message: string) => alerts.raise("source-silent", source, message);
  const watches = createWatches({ ...parts, state, inbox, sources, onLapsed: onSilent });
  const readiness = createReadiness(reads, clock);
  const worker = createWorker({
    ...parts,
    journal,
    state,
    queue,
    inbox,
    ids,
    sources,
    renewWatch: (source, signal) => watches.renew(source, signal),
    get destinations() {
      return current().destinations;
    },
    decider: { decide: (request) => current().decider.decide(request) },
    table: () => current().work,
    onDead: (run, agent, reason) =>
      alerts.raise("dead-letter", agent, `run ${run} of ${agent} is dead: ${reason}`),
    onSettled: () => readiness.settled(),
    owner: randomUUID(),
  });
  const audit: Audit = { record: (entry) => journal.recordDeed(ids("aud"), entry) };

  const adminToken = options.environment.adminToken ?? ownToken(dataDir);
  const { server } = current().settings.loaded.config;
  let configFaults: readonly Fault[] = [];
  const liveSources = new Map(current().sources);
  const ingest = createIngest({
    sources: liveSources,
    inbox,
    metrics,
    log,
    clock,
    requireHttps: server.requireHttps,
    trustProxy: server.trustProxy,
    doors: (source) => current().doors.get(source),
  });
  const github = createGithubAddresses({
    ...parts,
    state,
    wanted: () => wantsGithubAddresses(current().settings.loaded.config),
    metaUrl: () => current().settings.loaded.config.server.githubMetaUrl,
    onNetworks: (networks) => current().addresses.replace("github", networks),
  });
  await github.apply();
  let healing: Healing | null = null;
  const aliveBefore = await lastAlive(state);
  await journal.releaseOrphans();
  failPoint("start.released");
  const ingestPort = (await ingest.listen({ host: server.host, port: server.port })).port;
  const verify = (event: string) => verifyAgain({ journal, sources: current().sources }, event);
  const replayable = {
    journal,
    reads,
    queue,
    verify,
    runsFor: inbox.runsFor,
    expansionOf: inbox.expansionOf,
  };
  const jobs = startReplayJobs({ ...parts, ...replayable, state, ids });
  // Webhooks are stored from here on; what people look at is loaded meanwhile.
  const { createAdmin } = await import("./http/admin.ts");
  const admin = createAdmin({
    reads,
    changes,
    control: {
      ...createReview(journal, reads, queue),
      ...createDeadLetters(journal, reads),
      heal: async (source, since) => {
        if (!healing) throw new Conflict("wrong_state", "the service is still starting; try again");
        return healing.heal(source, since);
      },
      verify,
      replay: (filter, how) => replay({ ...replayable, jobs }, filter, how),
      replays: () => jobs.list(),
      cancelReplay: (id) => jobs.cancel(id),
      resumeReplay: (id) => jobs.resume(id),
    },
    audit,
    breakers: () => guard.list(),
    sources: () =>
      sourceRows({
        reads,
        clock,
        current,
        watches,
        healedUntil: async (name) => (await healing?.healedUntil(name)) ?? null,
      }),
    metrics,
    ready: () => readiness.check(configFaults),
    token: adminToken,
    assets: dashboardFolder,
    log,
    clock,
    version,
  });
  const adminPort = await admin.listen({ host: server.adminHost, port: server.adminPort }).then(
    ({ port }) => port,
    async (error: unknown) => {
      await ingest.close(0);
      throw error;
    },
  );
  watches.start();
  const { concurrency, perAgent } = current().settings.loaded.config.worker;
  worker.start({ total: concurrency, perAgent: perAgent ?? mostPerAgent(concurrency) });
  const healer = healGaps({ ...parts, state, inbox, aliveBefore, owner: randomUUID() }, current);
  healing = healer;
  const sweeper = startSweeper({
    ...parts,
    journal,
    reads,
    state,
    queue,
    retentionMs: () => current().settings.loaded.config.retention.events,
  });
  const silence = startSilenceAlarm({ ...parts, reads, state, sources, onSilent });
  const hourly = everyHour(clock, async (signal) => {
    const { config } = current().settings.loaded;
    showSecretAges(metrics, config, clock.now());
    tellExpired(config, clock.now(), onSilent);
    await github.refresh(signal);
  });
  const watch = await watchConfig({
    files: [current().settings.loaded.file],
    folders: [current().settings.loaded.promptsFolder],
    load: () => loadSettings(options, clock.now()),
    onGood: (settings) => {
      configFaults = [];
      reload(settings);
      liveSources.clear();
      for (const [name, source] of current().sources) liveSources.set(name, source);
      hourly.now();
      watches.reloaded();
      log.info({ config: settings.loaded.hash.slice(0, 12) }, "the changed configuration is in force");
      reloaded(audit, settings).catch((err: unknown) => log.warn({ err }, "a reload could not be recorded"));
    },
    onBad: (faults) => {
      configFaults = faults;
      log.warn({ faults }, "the changed configuration is faulty; the old one stays in force");
    },
    clock,
  });

  const app: App = {
    config: current().settings.loaded,
    dataDir,
    ingest: { host: server.host, port: ingestPort },
    admin: { host: server.adminHost, port: adminPort },
    adminToken,
    loginPath: () => admin.loginPath(),
    stopMs: () => current().settings.loaded.config.worker.drainTimeout + stopMarginMs,
    async stop() {
      failPoint("stop.begin");
      readiness.draining();
      await ingest.close(ingestGraceMs);
      await Promise.all([
        worker.stop(current().settings.loaded.config.worker.drainTimeout),
        jobs.stop(),
        silence.stop(),
        watches.stop(),
        hourly.stop(),
        watch.close(),
        healer.stop(),
      ]);
      failPoint("stop.drained");
      await sweeper.stop();
      await admin.close();
      await alerts.stop();
      await journal.close();
      rmSync(join(dataDir, "server.json"), { force: true });
    },
  };
  writeServerFile(app);
  failPoint("start.listening");
  return app;
}

/** `Acme <hello@acme.example>` → `hello@acme.example`: alerts by mail go to whom mail comes from. */
const addressIn = (from: string | undefined): string | null =>
  /[^<>\s]+@[^<>\s]+/.exec(from ?? "")?.[0] ?? null;

const reloaded = (audit: Audit, { loaded }: InForce["settings"]): Promise<void> =>
  audit.record({
    by: "file",
    address: null,
    deed: "config.reload",
    object: basename(loaded.file),
    reason: null,
    details: { config: loaded.hash.slice(0, 12) },
  });

/** Made once and kept for the CLI to read; only its owner may. */
function ownToken(dataDir: string): string {
  const file = join(dataDir, "admin-token");
  if (existsSync(file)) return readFileSync(file, "utf8").trim();
  const token = randomBytes(32).toString("base64url");
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  return token;
}

/** Tells the CLI, and whoever else may read the folder, where the service listens; keys as under `server:`. */
function writeServerFile({ dataDir, ingest, admin }: App): void {
  const content = {
    pid: process.pid,
    version,
    host: ingest.host,
    port: ingest.port,
    adminHost: admin.host,
    adminPort: admin.port,
  };
  writeFileSync(join(dataDir, "server.json"), `${JSON.stringify(content, null, 2)}\n`);
}
