/**
 * Fail points: the named moments at which the process can be made to die, or its disk to fail, so that a test can prove
 * that nothing is lost and nothing is done twice whenever it happens. Nothing is armed unless SIGNALBOX_FAIL_POINTS
 * says so; a point that is not armed costs one comparison.
 *
 *   SIGNALBOX_FAIL_POINTS="action.requested=kill@3;journal.commit=ioerror@5;journal.pages=900"
 *
 * kill     SIGKILL to the own process, at the third time that it comes by (the first when no number is given)
 * ioerror  the disk answers an I/O error; full: it has no room. For points of the journal only.
 * note     nothing fails: it is written down that the process came by. `*=note` stands for every point.
 * journal.pages limits the journal's file to so many pages, as a disk would that is nearly full.
 */
import { writeSync } from "node:fs";

/** Every point, in the order in which an event comes by. docs/chaos.md says what lies between them. */
export const failPoints = [
  "start.opened",
  "start.released",
  "start.listening",
  "http.verified",
  "http.accepted",
  "http.answered",
  "accept.begin",
  "accept.stored",
  "accept.published",
  "journal.write",
  "journal.commit",
  "journal.committed",
  "queue.handed",
  "claim.begin",
  "claim.done",
  "step.begin",
  "step.made",
  "step.recorded",
  "decision.begin",
  "decision.made",
  "decision.recorded",
  "plan.made",
  "plan.recorded",
  "action.planned",
  "action.intended",
  "action.requested",
  "action.failed",
  "action.ended",
  "action.unknown",
  "action.lookedUp",
  "settle.begin",
  "settle.done",
  "expansion.begin",
  "expansion.read",
  "expansion.stored",
  "healing.leased",
  "healing.read",
  "healing.stored",
  "watch.renewing",
  "watch.renewed",
  "sweeper.publish",
  "retention.erase",
  "retention.erased",
  "breaker.changed",
  "alert.send",
  "alert.sent",
  "replay.begin",
  "replay.stored",
  "review.decided",
  "stop.begin",
  "stop.drained",
] as const;
export type FailPoint = (typeof failPoints)[number];

const faults = { ioerror: 10, full: 13 } as const;
type What = "kill" | "note" | keyof typeof faults;

interface FailOrder {
  readonly point: FailPoint;
  readonly what: What;
  /** The how-manieth time since the start. */
  readonly at: number;
}

export interface FailPlan {
  readonly orders: readonly FailOrder[];
  /** The most pages that the journal's file may have; null: no limit. */
  readonly journalPages: number | null;
}

export const nothingFails: FailPlan = { orders: [], journalPages: null };

/** Reads the text of SIGNALBOX_FAIL_POINTS. Throws an Error that says what is allowed. */
export function readFailPlan(text: string): FailPlan {
  const entries = text
    .split(";")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  let journalPages: number | null = null;
  const orders: FailOrder[] = [];
  for (const entry of entries) {
    const [, name = "", value = ""] = /^([\w.]+)=(\S+)$/.exec(entry) ?? [];
    if (name === "journal.pages" && /^[1-9]\d*$/.test(value)) journalPages = Number(value);
    else if (entry === "*=note")
      orders.push(...failPoints.map((point) => ({ point, what: "note" as const, at: 1 })));
    else orders.push(readOrder(entry, name, value));
  }
  return { orders, journalPages };
}

function readOrder(entry: string, name: string, value: string): FailOrder {
  const point = failPoints.find((known) => known === name);
  const [, what, at = "1"] = /^(kill|note|ioerror|full)(?:@([1-9]\d*))?$/.exec(value) ?? [];
  if (point === undefined || what === undefined) {
    throw new Error(
      `"${entry}" is no fail point: write POINT=kill@N, POINT=ioerror@N, POINT=full@N or journal.pages=N, with a point of src/resilience/fail-points.ts`,
    );
  }
  if ((what === "ioerror" || what === "full") && !point.startsWith("journal."))
    throw new Error(`"${entry}": ${what} is an answer of the disk, so it is for points of the journal only`);
  return { point, what: what as What, at: Number(at) };
}

let armed: Map<FailPoint, { order: FailOrder; left: number }[]> | null = null;

/** Replaces what was armed before; counting begins anew. */
export function armFailPoints({ orders }: FailPlan): void {
  armed = orders.length === 0 ? null : new Map();
  for (const order of orders)
    armed?.set(order.point, [...(armed.get(order.point) ?? []), { order, left: order.at }]);
}

/** The process comes by a point. Throws what the disk would answer, or does not return, where it was so ordered. */
export function failPoint(point: FailPoint): void {
  if (armed !== null) comeBy(armed.get(point) ?? []);
}

function comeBy(waiting: { order: FailOrder; left: number }[]): void {
  for (const one of waiting) {
    one.left -= 1;
    if (one.left !== 0) continue;
    const { point, what } = one.order;
    // Written at once, past the log, which would still hold it back when the process is gone.
    writeSync(2, `fail point ${point}: ${what}\n`);
    if (what === "kill") process.kill(process.pid, "SIGKILL");
    else if (what !== "note") throw diskFault(what);
  }
}

/** As the SQLite driver throws it. */
const diskFault = (what: keyof typeof faults): Error =>
  Object.assign(new Error(what === "full" ? "database or disk is full" : "disk I/O error"), {
    errcode: faults[what],
  });
