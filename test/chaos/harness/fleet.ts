/**
 * A fleet as the service under test: processes that receive and processes that work, on a PostgreSQL and a Redis of their
 * own. A life is the time until one of them ends, or one of the servers does; the others go on meanwhile.
 *
 *   whole ──kill, stop, fail point──▶ one is missing ──start──▶ whole
 *
 * A server that was killed comes back after a while by itself: Redis with its data or without, PostgreSQL with all that
 * it had committed. `start` waits for PostgreSQL, which no process can start without, and not for Redis.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { askAdmin, programsIn } from "./program.ts";
import type { Death, Program } from "./program.ts";
import type { Random } from "./random.ts";
import type { ServiceParts, ServiceUnderTest } from "./service.ts";

interface Member {
  readonly name: string;
  readonly role: "ingest" | "worker";
  program: Program | null;
  /** May still kill itself at a fail point. */
  armed: boolean;
}

const roles = ["ingest", "ingest", "worker", "worker", "worker"] as const;

/** Points that only processes of one role come by; the others are come by in any. */
const ofIngest = /^(http|accept)[.]/;
const ofWorkers = /^(queue|claim|step|decision|plan|action|settle|expansion|breaker)[.]/;
/** Points of what one worker does for all, and nobody knows which. */
const ofLeader = /^(sweeper|healing|watch|retention|alert)[.]/;

const drainMs = 2_000;
const awayMs: readonly [number, number] = [200, 6_000];
const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export async function fleetService(
  parts: ServiceParts & { readonly random: Random },
): Promise<ServiceUnderTest> {
  const { folder, config, env, random } = parts;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "signalbox.yaml"), config);
  const [postgres, redis] = await Promise.all([startPostgres(), startRedis()]);
  // Signals are sent at once, so that nothing is left behind by a harness that is cut short.
  process.once("exit", () => void Promise.allSettled([postgres.kill(), redis.kill()]));
  const fleet = new Fleet(roles, {
    random,
    spawned: programsIn(folder),
    env: { ...env, DATABASE_URL: postgres.url, REDIS_URL: redis.url },
  });
  /** Servers that are away, until they are back. */
  const away = { postgres: Promise.resolve(), redis: Promise.resolve() };
  let closed = false;
  const deaths: Record<string, number> = {};

  function cut(
    name: keyof typeof away,
    how: string,
    kill: () => Promise<void>,
    start: () => Promise<void>,
  ): void {
    const before = away[name];
    const comeAndGone = async (): Promise<void> => {
      await before;
      await kill();
      fleet.tell({ who: how, point: null, unexpected: null });
      await wait(random.int(...awayMs));
      if (!closed) await start();
    };
    away[name] = comeAndGone();
  }
  const cutRedis = (data: "kept" | "lost") =>
    cut("redis", `redis, its data ${data}`, redis.kill, () => redis.start(data));

  return {
    async start(failPoints) {
      await away.postgres;
      await fleet.start(failPoints);
    },
    async ended() {
      const death = await fleet.ended();
      deaths[death.who] = (deaths[death.who] ?? 0) + 1;
      return death;
    },
    kill() {
      const dice = random.next();
      if (dice < 0.15) cutRedis("kept");
      else if (dice < 0.3) cutRedis("lost");
      else if (dice < 0.5) cut("postgres", "postgres", postgres.kill, postgres.start);
      else if (dice < 0.55) void fleet.end("all processes", fleet.up(), (one) => one.kill());
      else if (dice < 0.7) fleet.endOne("ingest", (one) => one.kill());
      else fleet.endOne("worker", (one) => one.kill());
    },
    terminate: () => fleet.endOne(null, (one) => one.terminate()),
    ingestUrl: () => fleet.ingestUrl(),
    admin: async <T>(path: string, body?: object) => {
      const url = fleet.adminUrl();
      return url === null ? null : askAdmin<T>(url, path, body);
    },
    pages: () => null,
    deaths: () => deaths,
    async close() {
      closed = true;
      await fleet.end("all processes", fleet.up(), (one) => one.kill());
      await Promise.allSettled([away.postgres, away.redis]);
      await Promise.all([postgres.stop(), redis.stop()]);
    },
  };
}

interface FleetParts {
  readonly random: Random;
  readonly spawned: ReturnType<typeof programsIn>;
  readonly env: Readonly<Record<string, string>>;
}

class Fleet {
  readonly #parts: FleetParts;
  readonly #members: readonly Member[];
  readonly #passed = new Set<string>();
  /** Those whose end is told by whoever ordered it. */
  readonly #ordered = new Set<Program>();
  readonly #deaths: Death[] = [];
  #told: ((death: Death) => void) | null = null;
  #turn = 0;

  constructor(roles: readonly Member["role"][], parts: FleetParts) {
    this.#parts = parts;
    this.#members = roles.map((role, at) => ({
      name: `${role} ${at + 1}`,
      role,
      program: null,
      armed: false,
    }));
  }

  up(): Member[] {
    return this.#members.filter(({ program }) => program !== null);
  }

  /** Starts who is missing. Whoever is to die at a fail point has to be started for it: it takes the place of another. */
  async start(failPoints: string): Promise<void> {
    const point = /(\S+?)=kill@/.exec(failPoints)?.[1] ?? null;
    const arming = point === null ? [] : this.#arming(point);
    const leaving = point === null ? this.up().filter(({ armed }) => armed) : arming;
    await this.#replace(leaving);
    const starting = this.#members.filter(({ program }) => program === null);
    // It does only a part of the work, and so comes by as much more seldom.
    const orders = failPoints.replace(
      /=kill@(\d+)/,
      (_, hit) => `=kill@${Math.ceil(Number(hit) / roles.length)}`,
    );
    await Promise.all(
      starting.map((member) => this.#begin(member, arming.includes(member) ? orders : "*=note")),
    );
  }

  async ended(): Promise<Death> {
    return this.#deaths.shift() ?? new Promise((resolve) => (this.#told = resolve));
  }

  tell(death: Omit<Death, "passed">): void {
    const passed = [this.#passed, ...this.up().map(({ program }) => program?.passed ?? [])];
    const whole = { ...death, passed: passed.flatMap((points) => [...points]) };
    if (this.#told) this.#told(whole);
    else this.#deaths.push(whole);
    this.#told = null;
  }

  /** Of a role, or of any: one that is armed if there is one. */
  endOne(role: Member["role"] | null, signal: (program: Program) => void): void {
    const all = this.up().filter((one) => role === null || one.role === role);
    const armed = all.filter((one) => one.armed);
    const [victim] = this.#parts.random.shuffled(role === null && armed.length > 0 ? armed : all);
    void this.end(victim?.role ?? "nobody", victim ? [victim] : [], signal);
  }

  /** Ends these, and tells of it as one death. */
  async end(who: string, members: readonly Member[], signal: (program: Program) => void): Promise<void> {
    const deaths = await this.#endQuietly(members, signal);
    const point = deaths.find((death) => death.point !== null)?.point ?? null;
    this.tell({ who, point, unexpected: null });
  }

  ingestUrl(): string | null {
    return this.#next(({ program }) => program?.urls()?.ingest ?? null);
  }

  adminUrl(): string | null {
    return this.#next(({ program }) => program?.urls()?.admin ?? null);
  }

  /** As a load balancer does it. */
  #next(urlOf: (member: Member) => string | null): string | null {
    const urls = this.#members.map(urlOf).filter((url) => url !== null);
    this.#turn += 1;
    return urls[this.#turn % urls.length] ?? null;
  }

  #arming(point: string): Member[] {
    if (ofLeader.test(point)) return this.#members.filter(({ role }) => role === "worker");
    const role = ofIngest.test(point) ? "ingest" : ofWorkers.test(point) ? "worker" : null;
    const fitting = this.#parts.random.shuffled(
      this.#members.filter((one) => role === null || one.role === role),
    );
    const missing = fitting.find(({ program }) => program === null);
    return [missing ?? fitting[0]].filter((one) => one !== undefined);
  }

  /** As at an update: told to stop, and killed when that takes long. */
  async #replace(members: readonly Member[]): Promise<void> {
    const late = setTimeout(() => members.forEach(({ program }) => program?.kill()), drainMs);
    await this.#endQuietly(members, (one) => one.terminate());
    clearTimeout(late);
  }

  async #endQuietly(members: readonly Member[], signal: (program: Program) => void): Promise<Death[]> {
    const programs = members.map(({ program }) => program).filter((program) => program !== null);
    for (const program of programs) {
      this.#ordered.add(program);
      signal(program);
    }
    return Promise.all(programs.map(({ ended }) => ended));
  }

  async #begin(member: Member, failPoints: string): Promise<void> {
    const { spawned, env } = this.#parts;
    const program = spawned({ name: member.name, env, args: ["--role", member.role] }, failPoints);
    member.program = program;
    member.armed = failPoints.includes("=kill@");
    void this.#mourn(member, program);
    await program.started;
  }

  async #mourn(member: Member, program: Program): Promise<void> {
    const death = await program.ended;
    member.program = null;
    for (const point of death.passed) this.#passed.add(point);
    if (!this.#ordered.delete(program)) this.tell({ ...death, who: member.role });
  }
}
