/** Statuses and times in words. Every status has a mark of its own, so that none is told by colour alone. */
import type { ActionStatus } from "../domain/action.ts";
import type { EventStatus } from "../domain/event.ts";
import type { RunStatus } from "../domain/run.ts";

type Tone = "good" | "bad" | "busy" | "hold" | "calm";
interface Word {
  readonly text: string;
  readonly mark: string;
  readonly tone: Tone;
}
type Status = EventStatus | RunStatus | ActionStatus | "open" | "half-open" | "closed" | "paused";

const words: Readonly<Record<Status, Word>> = {
  routed: { text: "routed", mark: "→", tone: "calm" },
  unrouted: { text: "no route", mark: "∅", tone: "calm" },
  inactive: { text: "route disabled", mark: "∅", tone: "calm" },
  queued: { text: "queued", mark: "…", tone: "calm" },
  running: { text: "running", mark: "▸", tone: "busy" },
  waiting: { text: "waiting", mark: "◷", tone: "hold" },
  awaiting_review: { text: "waits for a person", mark: "?", tone: "hold" },
  succeeded: { text: "succeeded", mark: "✓", tone: "good" },
  rejected: { text: "rejected", mark: "–", tone: "calm" },
  cancelled: { text: "cancelled", mark: "–", tone: "calm" },
  dead: { text: "dead letter", mark: "✕", tone: "bad" },
  planned: { text: "planned", mark: "…", tone: "calm" },
  executing: { text: "being sent", mark: "▸", tone: "busy" },
  done: { text: "done", mark: "✓", tone: "good" },
  failed: { text: "failed", mark: "✕", tone: "bad" },
  skipped: { text: "skipped", mark: "–", tone: "calm" },
  uncertain: { text: "outcome unknown", mark: "?", tone: "bad" },
  closed: { text: "working", mark: "✓", tone: "good" },
  "half-open": { text: "being tried", mark: "◷", tone: "hold" },
  open: { text: "out of order", mark: "✕", tone: "bad" },
  paused: { text: "paused", mark: "‖", tone: "hold" },
};

export const wordFor = (status: Status): Word => words[status];

export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 48 * 3_600_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} days`;
}

/** `3 min ago`, `in 4 min`, `just now`. */
export function relative(iso: string, now: number): string {
  const ms = Date.parse(iso) - now;
  if (Math.abs(ms) < 5_000) return "just now";
  return ms < 0 ? `${duration(-ms)} ago` : `in ${duration(ms)}`;
}

/** `pr-review` → `pr review`; ids are shown by their end, which differs. */
export const shortId = (id: string): string => (id.length <= 14 ? id : `${id.slice(0, 4)}…${id.slice(-8)}`);
export const count = (n: number, one: string, many = `${one}s`): string =>
  `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
