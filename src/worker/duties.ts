/**
 * Runs what one process does for the whole fleet (publishing due runs, renewing watches, healing, retention, alarms), on
 * the lease of resilience/leadership.ts. They are begun when this process comes to lead, and ended when it can't renew,
 * or when it stops: then the lease is handed back, and another begins within a second or two.
 *
 * Two leaders at once do no harm, only double work: every duty compares and sets what it changes. So the end of a term
 * does not wait for a duty that is in the middle of something.
 */
import type { State } from "../domain/ports.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { leadTimes, look, newcomer, won } from "../resilience/leadership.ts";
import type { LeadRecord, Leadership } from "../resilience/leadership.ts";

export interface DutyParts {
  readonly state: State;
  readonly clock: Clock;
  readonly log: Log;
  /** Unlike any other process's. */
  readonly owner: string;
  /** Begins the duties of a term. */
  readonly begin: () => readonly { stop(): Promise<void> }[];
}

export interface Duties {
  leading(): boolean;
  /** Ends the duties and hands the lease back. */
  stop(): Promise<void>;
}

const key = "leader";

export function holdDuties({ state, clock, log, owner, begin }: DutyParts): Duties {
  let at: Leadership = newcomer;
  let duties: readonly { stop(): Promise<void> }[] = [];
  /** The duties of a term that is over, until they have ended. */
  let ending: Promise<unknown> = Promise.resolve();
  let stopped = false;
  let unreachable = false;
  let termEnd = { cancel: () => {} };
  let timer = clock.after(0, turn);
  let turning: Promise<void> = Promise.resolve();

  const leading = () => at.state === "leading" && clock.now() < at.until;

  function turn(): void {
    turning = (at.state === "leading" ? renew(at.version) : watch())
      .then(
        () => false,
        (error: unknown) => {
          if (!unreachable) log.warn({ err: error }, "duties: the lease can't be read or written");
          return true;
        },
      )
      .then((failed) => {
        unreachable = failed;
        const pause = leading() && !failed ? leadTimes.renewMs : leadTimes.lookMs;
        if (!stopped) timer = clock.after(pause, turn);
        return undefined;
      });
  }

  async function watch(): Promise<void> {
    await ending;
    const { next, claim } = look(at, await recordIn(state), owner);
    at = next;
    if (claim !== null && !stopped) await write(claim);
  }

  async function renew(version: number): Promise<void> {
    if (!(await write(version)) && at.state === "leading") endTerm("another process holds the lease");
  }

  /** Whether it went through. */
  async function write(version: number): Promise<boolean> {
    const askedAt = clock.now();
    if (!(await state.put("duty", key, { holder: owner }, version))) return false;
    const led = at.state === "leading";
    const next = won(version + 1, askedAt, clock.now());
    if (next.state === "leading") {
      at = next;
      termEnd.cancel();
      termEnd = clock.after(next.until - clock.now(), () =>
        endTerm("the lease could not be renewed in time"),
      );
      if (!led) await beginTerm();
    } else if (led) endTerm("the lease could not be renewed in time");
    return true;
  }

  async function beginTerm(): Promise<void> {
    await ending;
    if (stopped || !leading()) return;
    log.info({ owner }, "duties.begun");
    duties = begin();
  }

  function endTerm(reason: string): void {
    termEnd.cancel();
    at = newcomer;
    log.info({ owner, reason }, "duties.ended");
    const ended = duties.map((duty) => duty.stop());
    duties = [];
    ending = Promise.allSettled(ended);
  }

  return {
    leading,
    async stop() {
      stopped = true;
      timer.cancel();
      await turning;
      const version = at.state === "leading" ? at.version : null;
      if (version === null) {
        await ending;
        return;
      }
      endTerm("the process stops");
      await ending;
      // A lease that can't be handed back runs out by itself.
      await state.put("duty", key, { holder: null }, version).catch(() => false);
    },
  };
}

/** Who holds the lease, or held it last; null when it was handed back. */
export const holderOf = async (state: State): Promise<string | null> =>
  (await recordIn(state))?.holder ?? null;

async function recordIn(state: State): Promise<LeadRecord> {
  const stored = await state.get("duty", key);
  if (!stored) return null;
  const { holder } = stored.value as { holder: string | null };
  return { holder, version: stored.version };
}
