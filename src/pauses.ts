/** What a person may bring to a halt: an agent, a destination, or everything but receiving. */
import { destinationNames, isDestination } from "./domain/action-kinds.ts";
import { Conflict } from "./domain/errors.ts";
import type { Journal, Reads } from "./domain/ports.ts";
import type { Queue } from "./domain/queue.ts";
import type { BreakerView, Guard } from "./resilience/guard.ts";
import type { Turns } from "./resilience/turns.ts";
import { wake } from "./worker/waking.ts";

export interface PauseParts {
  readonly guard: Guard;
  readonly turns: Turns;
  readonly journal: Journal;
  readonly reads: Pick<Reads, "backlog">;
  readonly queue: Queue;
  /** Names of the agents in force. */
  readonly agents: () => readonly string[];
}

export interface PausedRow {
  readonly name: string;
  readonly paused: NonNullable<BreakerView["paused"]>;
}

/** `pause` and `resume` throw Conflict: not_found, and wrong_state for what is not paused. */
export function createPauses({ guard, turns, journal, reads, queue, agents }: PauseParts) {
  const list = async (): Promise<PausedRow[]> =>
    (await guard.list()).flatMap(({ service, paused }) =>
      paused ? [{ name: service.replace(/^agent:/, ""), paused }] : [],
    );
  const rowOf = async (service: string): Promise<PausedRow> => {
    const row = (await guard.list()).find((view) => view.service === service);
    if (!row?.paused) throw new Conflict("wrong_state", `${service} was resumed meanwhile`);
    return { name: service.replace(/^agent:/, ""), paused: row.paused };
  };
  return {
    pauses: list,
    async pause(name: string, reason: string | null): Promise<PausedRow> {
      const service = serviceOf(name, agents());
      await guard.pause(service, reason === null ? "paused by hand" : `paused by hand: ${reason}`);
      return rowOf(service);
    },
    /** Resolves to how many runs waited for it; they go on at once, one after another. */
    async resume(name: string): Promise<number> {
      const service = serviceOf(name, agents());
      if (!(await guard.resume(service))) throw new Conflict("wrong_state", `${name} is not paused`);
      const woken = await wake({ journal, turns }, service);
      const held = service === "all" ? (await reads.backlog()).runs.queued : 0;
      queue.publish([]);
      return woken + held;
    },
  };
}

/** `agent:NAME` tells an agent that is called like a destination. */
function serviceOf(name: string, agents: readonly string[]): string {
  if (name === "all" || isDestination(name)) return name;
  const agent = name.replace(/^agent:/, "");
  if (agents.includes(agent)) return `agent:${agent}`;
  throw new Conflict(
    "not_found",
    `there is neither an agent nor a destination ${name}: name one of all, ${[...agents, ...destinationNames].join(", ")}`,
  );
}
