/**
 * Tells people what needs them, over the destinations that `alerts.to` names; always in the log as well.
 *
 * A cause is a kind, a subject and a reason without its ids, numbers and quotations.
 *
 * quiet    nothing was told of the cause for five minutes: the next alert is sent at once, and its window begins.
 * counted  within the window: further alerts of the cause are counted and logged. When the window ends, one message says
 *          how many there were, and the next window begins; when there were none, the cause is quiet again.
 *
 * So a storm is one message per cause and five minutes, and none of it goes untold. A reason that differs every time is
 * no cause of its own: past twenty causes of a kind, the others are told together.
 *
 * In a fleet the window of a cause is held by one process: it tells, and the others count until a window is theirs.
 *
 * Alerts are best effort and hold redacted text only. They go around the journal on purpose: a full disk has to be
 * told of as well. What no channel took is told of with the next message; `stop` sends what is still untold.
 */
import type { ActionKind, DestinationName } from "../domain/action-kinds.ts";
import { ServiceClosed } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Destination } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import { deadline, sleep } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import type { Log } from "./log.ts";
import { redactText } from "./redact.ts";

export type AlertKind =
  "dead-letter" | "breaker-open" | "source-silent" | "fallback-rate" | "action-cap" | "spend-cap" | "journal";

export interface AlertParts {
  readonly settings: () => { readonly to: readonly ("slack" | "email")[]; readonly on: readonly AlertKind[] };
  readonly destinations: () => Readonly<Record<DestinationName, Destination>>;
  /** Whom alerts by e-mail go to; null when e-mail is not set up. */
  readonly mailbox: () => string | null;
  /** Takes the window of a cause, unless another process holds it. Rejects when nobody can say. Null for the only process. */
  readonly takeWindow: ((cause: string, ms: number) => Promise<boolean>) | null;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Alerts {
  /** `subject` is what it is about: an agent, a service, a source. Never throws. */
  raise(kind: AlertKind, subject: string, message: string): void;
  /** Sends what was counted and not told, and waits for what is under way, a few seconds at most. */
  stop(): Promise<void>;
}

const windowMs = 300_000;
const sendMs = 10_000;
const stopMs = 3_000;
/** Shortest wait for a turn. */
const againMs = 100;
const mostCauses = 20;

interface Cause {
  readonly key: string;
  readonly kind: AlertKind;
  readonly subject: string;
  /** The latest message that was not told yet. */
  message: string;
  untold: number;
  timer: { cancel(): void };
}

export function createAlerts(parts: AlertParts): Alerts {
  const { settings, clock, log } = parts;
  const causes = new Map<string, Cause>();
  const underWay = new Set<Promise<void>>();
  let stopped = false;

  /** The cause of its own, or the common one of its kind once there are too many. */
  function causeOf(kind: AlertKind, subject: string, message: string): { key: string; subject: string } {
    const key = `${kind} ${subject} ${withoutParticulars(message)}`;
    const ofKind = [...causes.values()].filter((cause) => cause.kind === kind).length;
    if (causes.has(key) || ofKind < mostCauses) return { key, subject };
    return { key: `${kind} of several causes`, subject: "several causes" };
  }

  /** What can't be asked for is told twice rather than never. */
  const isOurs = (take: NonNullable<AlertParts["takeWindow"]>, key: string) =>
    take(key, windowMs).catch(() => true);

  function tell(cause: Cause, subject: string, text: string, count: number): void {
    const sending = (async () => {
      const told =
        (stopped || parts.takeWindow === null || (await isOurs(parts.takeWindow, cause.key))) &&
        (await deliver(parts, cause.kind, subject, text));
      if (!told) cause.untold += count;
    })();
    underWay.add(sending);
    void sending.finally(() => underWay.delete(sending));
  }

  function tellUntold(cause: Cause): void {
    const count = cause.untold;
    cause.untold = 0;
    tell(
      cause,
      `${cause.subject} (${count} more)`,
      `${count} more in the last 5 min: ${cause.message}`,
      count,
    );
  }

  const nextWindow = (key: string, cause: Cause) =>
    clock.after(windowMs, () => {
      if (cause.untold === 0) {
        causes.delete(key);
        return;
      }
      tellUntold(cause);
      cause.timer = nextWindow(key, cause);
    });

  return {
    raise(kind, about, message) {
      const safe = redactText(message);
      log.warn({ alert: kind, subject: about, text: safe }, "alert.raised");
      if (!settings().on.includes(kind)) return;
      const { key, subject } = causeOf(kind, about, safe);
      const known = causes.get(key);
      if (known) {
        known.untold += 1;
        known.message = safe;
        return;
      }
      const cause: Cause = {
        key,
        kind,
        subject,
        message: safe,
        untold: 0,
        timer: { cancel: () => undefined },
      };
      causes.set(key, cause);
      cause.timer = nextWindow(key, cause);
      tell(cause, subject, safe, 1);
    },
    async stop() {
      stopped = true;
      for (const cause of causes.values()) {
        cause.timer.cancel();
        if (cause.untold > 0) tellUntold(cause);
      }
      causes.clear();
      const limit = new Promise<void>((resolve) => clock.after(stopMs, resolve));
      await Promise.race([Promise.all(underWay), limit]);
    },
  };
}

/** True when a channel took it, or none is there to take it. Never rejects. */
async function deliver(
  { settings, destinations, mailbox, clock, log }: AlertParts,
  kind: AlertKind,
  subject: string,
  message: string,
): Promise<boolean> {
  const text = `[signalbox] ${kind}: ${message}`.slice(0, 3_000);
  const to = mailbox();
  const send = async (action: ActionKind, input: JsonObject): Promise<void> => {
    const destination = destinations()[action === "email.send" ? "email" : "slack"];
    const executor = destination.actions[action];
    if (!destination.configured || !executor) return;
    const limit = deadline(clock, sendMs);
    const key = sha256("alert", JSON.stringify(input), String(clock.now())).slice(0, 40);
    failPoint("alert.send");
    try {
      await inTurn(clock, limit.signal, () => executor.execute(input, key, { signal: limit.signal }));
      failPoint("alert.sent");
    } finally {
      limit.done();
    }
  };
  const channels = settings().to;
  const sent = await Promise.all(
    channels.map(async (channel) => {
      try {
        if (channel === "slack") await send("slack.message", { text });
        else if (to !== null)
          await send("email.send", { to, subject: `[signalbox] ${kind}: ${subject}`, text });
        return true;
      } catch (error) {
        log.warn({ channel, err: error }, "an alert could not be sent");
        return false;
      }
    }),
  );
  return sent.length === 0 || sent.includes(true);
}

/** What agents send stands in the same line: a turn that comes in time is waited for, and not told of minutes later. */
async function inTurn<T>(clock: Clock, signal: AbortSignal, send: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof ServiceClosed)) throw error;
      await sleep(clock, Math.max(againMs, error.until - clock.now()), signal);
    }
  }
}

/** What makes two alerts of one cause read differently: ids, times, numbers, quoted values, addresses. */
const particulars =
  /\b(?:run|evt|act|dlv)_[\w-]+|"[^"]*"|'[^']*'|`[^`]*`|\S*[@…]\S*|https?:\/\/\S+|\b[0-9a-f]{8,}(?:-[0-9a-f]+)*\b|\d[\d.,:TZ-]*/gi;
const withoutParticulars = (message: string): string =>
  message.replace(particulars, "#").replace(/\s+/g, " ").slice(0, 200);
