/** The composition: configuration → parts → start and stop. With main.ts and its neighbours here, the only ones that know every room. */
import { randomUUID } from "node:crypto";
import { basename, resolve } from "node:path";
import { startAdministration } from "./administration.ts";
import type { Environment } from "./config/environment.ts";
import type { Fault } from "./config/faults.ts";
import { watchConfig } from "./config/reload.ts";
import { configurationOf, movedPlaces, noteConfiguration } from "./config-noted.ts";
import { makeFolder, ownToken, writeServerFile } from "./data-folder.ts";
import type { Place } from "./data-folder.ts";
import type { Audit } from "./domain/audit.ts";
import type { State } from "./domain/ports.ts";
import { keepGauges } from "./gauges.ts";
import { createGuarding, showBreakers } from "./guarding.ts";
import { everyHour, showSecretAges } from "./hourly.ts";
import { capsOf, loadSettings, putInForce, unpricedNotes } from "./in-force.ts";
import type { InForce, Settings, SettingsOptions } from "./in-force.ts";
import { createInbox } from "./inbox/accept.ts";
import { createBudget } from "./llm/budget.ts";
import { createFallbackWatch } from "./observability/fallback-rate.ts";
import { createLog } from "./observability/log.ts";
import type { Log } from "./observability/log.ts";
import { createMetrics } from "./observability/metrics.ts";
import type { Ground, Parts } from "./parts.ts";
import { joinFleet, onlyProcess } from "./processes.ts";
import { lead, openQueue, openStore } from "./profile.ts";
import { createReadiness } from "./readiness.ts";
import { startReceiving } from "./receiving.ts";
import { systemClock } from "./resilience/clock.ts";
import type { Clock } from "./resilience/clock.ts";
import { createIds } from "./resilience/ids.ts";
import { armFailPoints, failPoint, nothingFails } from "./resilience/fail-points.ts";
import { openAlerts, tellTrouble } from "./telling.ts";
import { createUpkeep } from "./upkeep.ts";
import { heldWatch } from "./worker/watches.ts";
import { startWorking } from "./working.ts";

/** The configuration can't be used; `faults` says everything that is wrong with it, for config/faults.ts to render. */
export class InvalidConfiguration extends Error {
  override readonly name = "InvalidConfiguration";
  readonly faults: readonly Fault[];
  constructor(faults: readonly Fault[]) {
    super(`the configuration has ${faults.length} fault${faults.length === 1 ? "" : "s"}`);
    this.faults = faults;
  }
}

/** Receives, works, or does both. */
export type Role = "all" | "ingest" | "worker";

export interface AppOptions extends SettingsOptions {
  readonly environment: Environment;
  readonly clock?: Clock;
  readonly log?: Log;
  /** Replaces SIGNALBOX_DATA_DIR. */
  readonly dataDir?: string;
  /** All unless it is said. */
  readonly role?: Role;
}

export interface App {
  readonly config: InForce["settings"]["loaded"];
  readonly dataDir: string;
  readonly role: Role;
  /** Null for a process that works only. */
  readonly ingest: Place | null;
  readonly admin: Place;
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

/** Throws InvalidConfiguration, or an error whose message says what to do. */
export async function startApp(options: AppOptions): Promise<App> {
  const { environment } = options;
  const clock = options.clock ?? systemClock;
  const settings = await loadSettings(options, clock.now());
  if (!settings.ok) throw new InvalidConfiguration(settings.faults);
  if ((options.role ?? "all") !== "all" && environment.databaseUrl === null) {
    throw new Error(
      `a process that is only ${options.role} needs the server profile (DATABASE_URL and REDIS_URL): without it there is one process, which does everything`,
    );
  }
  const log = options.log ?? createLog(environment.logLevel);
  armFailPoints(environment.failPlan);
  if (environment.failPlan !== nothingFails)
    log.warn({}, "SIGNALBOX_FAIL_POINTS is set: this process is going to fail on purpose");
  const dataDir = resolve(options.cwd, options.dataDir ?? environment.dataDir);
  makeFolder(dataDir);
  const store = await openStore({ environment, clock, log }, dataDir);
  failPoint("start.opened");
  try {
    const { ground, reload } = groundFor(settings, { environment, clock, log, store });
    return await startParts(options, ground, reload, dataDir);
  } catch (error) {
    await store.journal.close();
    throw error;
  }
}

/** That which outlives a reload, with the first configuration in force. */
function groundFor(
  settings: Settings,
  base: Pick<Ground, "environment" | "clock" | "log" | "store">,
): { ground: Ground; reload: (settings: Settings) => void } {
  const { clock, store } = base;
  let inForce: InForce;
  const known = { ...base, metrics: createMetrics(), current: () => inForce, owner: randomUUID() };
  const alerts = openAlerts({
    ...known,
    fleet: base.environment.databaseUrl === null ? null : { state: store.state, owner: known.owner },
  });
  const fallbacks = createFallbackWatch(clock, (agent, message) =>
    alerts.raise("fallback-rate", agent, message),
  );
  const config = () => inForce.settings.loaded.config;
  const ground: Ground = {
    ...known,
    ...createGuarding({ ...known, ...store, settings: () => inForce.settings.loaded, alerts }),
    alerts,
    ids: createIds(clock),
  };
  const budget = createBudget({
    state: store.state,
    clock,
    caps: (agent) => capsOf(config(), agent),
    dearest: () => inForce.settings.prices.dearest(clock.now()),
    onCap: (agent, cap, level, message) => {
      known.metrics.modelCaps.inc({ agent, cap, level });
      alerts.raise("spend-cap", agent, message);
    },
  });
  const decided = {
    budget,
    watchOf: (source: string) => heldWatch(store.state, source),
    onAsked: (agent: string, fell: boolean) => fallbacks.decided(agent, fell),
  };
  const reload = (next: Settings): void => {
    inForce = putInForce(next, { ...ground, ...decided });
    for (const { message, fix } of unpricedNotes(next, clock.now())) base.log.warn({}, `${message}. ${fix}`);
  };
  reload(settings);
  return { ground, reload };
}

async function startParts(
  options: AppOptions,
  ground: Ground,
  reload: (settings: Settings) => void,
  dataDir: string,
): Promise<App> {
  const { store, clock, log, metrics, guard, environment, current, ids } = ground;
  const { role = "all" } = options;
  const { journal } = store;
  const shared = environment.databaseUrl !== null;
  const queue = await openQueue(ground, store);
  const inbox = createInbox({ ...ground, journal, queue, table: () => current().routing });
  const parts: Parts = { ...ground, queue, inbox };
  const audit: Audit = { record: (entry) => journal.recordDeed(ids("aud"), entry) };
  const works = role !== "ingest";
  const readiness = createReadiness({
    reads: store.reads,
    journal,
    clock,
    works,
    queueTrouble: queue.trouble,
    allPaused: async () => (await guard.closed("all")) !== null,
  });
  let configFaults: readonly Fault[] = [];
  const started = current().settings;

  const adminToken = environment.adminToken ?? ownToken(dataDir);
  if (shared && environment.adminToken === null)
    log.warn(
      { dataDir },
      "SIGNALBOX_ADMIN_TOKEN is not set: a process with another data folder takes another token",
    );
  await reloaded(store.state, audit, current().settings);
  const upkeep = await createUpkeep(parts);
  await journal.releaseOrphans();
  await showBreakers(guard, metrics);
  failPoint("start.released");
  const receiving = role === "worker" ? null : await startReceiving(parts);
  const processes = (shared ? joinFleet : onlyProcess)({
    state: store.state,
    clock,
    log,
    owner: ground.owner,
    role,
    settings: () => current().settings,
  });
  const gauges = keepGauges(ground);
  // Webhooks are stored from here on; what people look at is loaded meanwhile.
  const administration = await startAdministration({
    ...parts,
    upkeep,
    audit,
    gauges,
    token: adminToken,
    ready: () => readiness.check(configFaults),
    processes: processes.list,
  }).catch(async (error: unknown) => {
    await gauges.stop();
    await processes.stop();
    await receiving?.close(0);
    await queue.close();
    throw error;
  });
  const worker = works
    ? startWorking(parts, { watches: upkeep.watches, onSettled: readiness.settled })
    : null;
  const leading = works ? lead({ ...ground, begin: upkeep.begin }) : null;
  const trouble = tellTrouble(ground);
  const hourly = everyHour(clock, async (signal) => {
    showSecretAges(metrics, current().settings.loaded.config, clock.now());
    await receiving?.refresh(signal);
  });
  const watch = await watchConfig({
    files: [current().settings.loaded.file],
    folders: [current().settings.loaded.promptsFolder],
    load: () => loadSettings(options, clock.now()),
    onGood: (settings) => {
      configFaults = [];
      reload(settings);
      receiving?.reloaded();
      upkeep.reloaded();
      processes.reloaded();
      hourly.now();
      log.info({ config: settings.loaded.hash.slice(0, 12) }, "the changed configuration is in force");
      const moved = movedPlaces(started, settings);
      if (moved.length > 0) log.warn({}, `${moved.join(", ")}: another address is taken at the next start`);
      reloaded(store.state, audit, settings).catch((err: unknown) =>
        log.warn({ err }, "a reload could not be recorded"),
      );
    },
    onBad: (faults) => {
      configFaults = faults;
      log.warn({ faults }, "the changed configuration is faulty; the old one stays in force");
    },
    clock,
  });

  const ingest = receiving && placeOf(receiving);
  const admin = placeOf(administration);
  const removeServerFile = writeServerFile(dataDir, { ingest, admin, shared }, clock);
  failPoint("start.listening");
  return {
    config: current().settings.loaded,
    dataDir,
    role,
    ingest,
    admin,
    adminToken,
    loginPath: () => administration.loginPath(),
    stopMs: () => current().settings.loaded.config.worker.drainTimeout + stopMarginMs,
    async stop() {
      failPoint("stop.begin");
      readiness.draining();
      upkeep.healing.stop();
      await receiving?.close(ingestGraceMs);
      await Promise.all([
        worker?.stop(current().settings.loaded.config.worker.drainTimeout),
        ...[leading, hourly, gauges, trouble].map((duty) => duty?.stop()),
        watch.close(),
      ]);
      failPoint("stop.drained");
      await administration.close();
      await ground.alerts.stop();
      await processes.stop();
      await queue.close();
      await journal.close();
      removeServerFile();
    },
  };
}

const placeOf = ({ host, port }: Place): Place => ({ host, port });

async function reloaded(state: State, audit: Audit, settings: Settings): Promise<void> {
  if (!(await noteConfiguration(state, settings))) return;
  await audit.record({
    by: "file",
    address: null,
    deed: "config.reload",
    object: basename(settings.loaded.file),
    reason: null,
    details: { config: configurationOf(settings) },
  });
}
