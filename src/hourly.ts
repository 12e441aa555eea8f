/** What is looked after once an hour and after a reload: it changes by the day, and may wait. */
import { secretAges, whyNoSecret } from "./config/secret-dates.ts";
import type { Config } from "./config/schema.ts";
import type { Metrics } from "./observability/metrics.ts";
import type { Clock } from "./resilience/clock.ts";

const hourMs = 3_600_000;
const dayMs = 86_400_000;

/** Runs `work`, which never throws, at once and then hourly; `now` runs it out of turn, `stop` lets it end. */
export function everyHour(
  clock: Clock,
  work: (signal: AbortSignal) => Promise<void>,
): { now(): void; stop(): Promise<void> } {
  const stopped = new AbortController();
  let working: Promise<void> = Promise.resolve();
  let timer = clock.after(0, tick);
  function tick(): void {
    timer.cancel();
    working = working
      .then(() => work(stopped.signal))
      .finally(() => {
        timer.cancel();
        if (!stopped.signal.aborted) timer = clock.after(hourMs, tick);
      });
  }
  return {
    now: tick,
    stop: async () => {
      timer.cancel();
      stopped.abort();
      await working;
    },
  };
}

/** Secrets whose entry says since when they are in use. */
export function showSecretAges(metrics: Metrics, config: Config, now: number): void {
  metrics.sourceSecretAgeDays.reset();
  for (const { source, index, addedAt } of secretAges(config)) {
    if (addedAt !== null)
      metrics.sourceSecretAgeDays.set({ source, secret: String(index) }, Math.floor((now - addedAt) / dayMs));
  }
}

/** Sources that are cut off by a date: nobody changed anything, so nobody is looking. */
export function tellExpired(
  config: Config,
  now: number,
  tell: (source: string, message: string) => void,
): void {
  for (const [name, source] of Object.entries(config.sources)) {
    if (whyNoSecret(source, now) === "expired")
      tell(name, `source ${name}: its last secret has expired, so its requests are answered 503`);
  }
}
