/**
 * Following the live feed. connected: rows are printed as they come. lost: the feed ended (a restart, a slow reader);
 * after a pause it is opened again, as long as the service had answered once before. ended: Ctrl-C, exit code 130.
 */
import { setTimeout } from "node:timers/promises";
import type { Context } from "./context.ts";
import { Failure, exitCodes } from "./failure.ts";
import type { Service } from "./service.ts";

const pauseMs = 1_000;
/** A service that is gone for longer is not restarting. */
const maxPauses = 30;
/** Rows whose status is remembered; one that is forgotten may be told twice. */
const maxTold = 1_000;

export interface Follow<T> {
  readonly kind: string;
  wanted(row: T): boolean;
  /** Time (ISO), subject, status, id. */
  line(row: T): readonly [string, string, string, string];
}

export async function follow<T>(context: Context, service: Service, what: Follow<T>): Promise<void> {
  const { terminal } = context;
  const ended = new AbortController();
  process.once("SIGINT", () => ended.abort());
  // A row comes with each step of its run; a person is told of what became of it.
  const told = new Map<string, string>();
  const print = (row: T) => {
    if (terminal.json) {
      terminal.printJson(row, "line");
      return;
    }
    const [at, subject, status, id] = what.line(row);
    if (told.get(id) === status) return;
    if (told.size >= maxTold) told.clear();
    told.set(id, status);
    terminal.print(
      `${terminal.paint.dim(at.slice(11, 19))}  ${subject}  ${status}\n          ${terminal.paint.dim(id)}`,
    );
  };
  let misses = 0;
  let opened = false;
  while (!ended.signal.aborted) {
    try {
      const changes = service.changes(ended.signal, () => {
        terminal.note(opened ? "Connected again; rows may have been missed." : "Following; Ctrl-C ends it.");
        opened = true;
        misses = 0;
      });
      for await (const { kind, row } of changes) {
        if (kind === what.kind && what.wanted(row as T)) print(row as T);
      }
    } catch (error) {
      if (ended.signal.aborted) break;
      if (!opened || misses >= maxPauses) throw error;
    }
    if (ended.signal.aborted) break;
    if (misses === 0) terminal.note("The feed ended; trying again …");
    misses += 1;
    // An aborted pause is the end, which the loop sees.
    await pause(pauseMs, ended.signal);
  }
  throw new Failure("", { exitCode: exitCodes.interrupted });
}

/** The clock's own timers do not keep a process alive, and here nothing else does. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
