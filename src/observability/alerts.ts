/**
 * Tells people what needs them, over the destinations that `alerts.to` names; always in the log as well.
 *
 * quiet    nothing was told of (kind, subject) for a while: the next alert is sent.
 * muted    it was told; the same again within `muteMs` is only logged, so that an outage is one message, not hundreds.
 *
 * Alerts are best effort and hold redacted text only. They go around the journal on purpose: a full disk has to be
 * told of as well.
 */
import type { ActionKind, DestinationName } from "../domain/action-kinds.ts";
import { sha256 } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Destination } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import { deadline } from "../resilience/clock.ts";
import { failPoint } from "../resilience/fail-points.ts";
import type { Log } from "./log.ts";
import { redactText } from "./redact.ts";

export type AlertKind = "dead-letter" | "breaker-open" | "source-silent" | "fallback-rate";

export interface AlertParts {
  readonly settings: () => { readonly to: readonly ("slack" | "email")[]; readonly on: readonly AlertKind[] };
  readonly destinations: () => Readonly<Record<DestinationName, Destination>>;
  /** Whom alerts by e-mail go to; null when e-mail is not set up. */
  readonly mailbox: () => string | null;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Alerts {
  /** `subject` is what it is about: alerts of one kind and subject are muted together. Never throws. */
  raise(kind: AlertKind, subject: string, message: string): void;
}

const muteMs = 600_000;
const sendMs = 10_000;

export function createAlerts({ settings, destinations, mailbox, clock, log }: AlertParts): Alerts {
  const told = new Map<string, number>();

  async function send(kind: ActionKind, input: JsonObject): Promise<void> {
    const destination = destinations()[kind === "email.send" ? "email" : "slack"];
    const executor = destination.actions[kind];
    if (!destination.configured || !executor) return;
    const limit = deadline(clock, sendMs);
    failPoint("alert.send");
    try {
      await executor.execute(
        input,
        sha256("alert", JSON.stringify(input), String(clock.now())).slice(0, 40),
        {
          signal: limit.signal,
        },
      );
      failPoint("alert.sent");
    } finally {
      limit.done();
    }
  }

  return {
    raise(kind, subject, message) {
      const safe = redactText(message);
      log.warn({ alert: kind, subject, text: safe }, "alert.raised");
      const { to: channels, on } = settings();
      if (!on.includes(kind)) return;
      const last = told.get(`${kind} ${subject}`);
      if (last !== undefined && clock.now() - last < muteMs) return;
      told.set(`${kind} ${subject}`, clock.now());
      for (const channel of channels) {
        const text = `[signalbox] ${kind}: ${safe}`.slice(0, 3_000);
        const to = mailbox();
        const sent =
          channel === "slack"
            ? send("slack.message", { text })
            : to === null
              ? Promise.resolve()
              : send("email.send", { to, subject: `[signalbox] ${kind}: ${subject}`, text });
        sent.catch((error: unknown) => log.warn({ channel, err: error }, "an alert could not be sent"));
      }
    },
  };
}
