/**
 * The weather at the vendors. Noise: single requests that fail before or after they took effect, answers that never come
 * or that nobody can read, limits. Storms: a vendor that is down, overloaded or limiting everybody for some seconds.
 * And refusals for good: the vendor calls a request invalid, which is the only cause a run may die of.
 */
import type { Call } from "../../../src/sandbox/call.ts";
import type { Faults } from "../../../src/sandbox/faults.ts";
import type { Sandbox } from "../../../src/sandbox/index.ts";
import type { Random } from "./random.ts";

/** What the reason of a run that died of a planned refusal holds. */
export const plannedRefusal = /told to answer 422|Mailbox unavailable/;

export interface Weather {
  /** How often a vendor was made to fail, by kind. */
  counts(): Readonly<Record<string, number>>;
  /** A storm at a vendor that opens its breaker, for `ms`. */
  storm(ms: number): void;
  /** The sun comes out for good. */
  end(): void;
}

type Kind = "down" | "busy" | "limiting";
const kinds: readonly [Kind, ...Kind[]] = ["down", "busy", "limiting"];
const always = Number.POSITIVE_INFINITY;

interface Place {
  readonly name: string;
  readonly faults: Faults;
}

/** `noise`: how likely a request is to meet each of six faults. */
export function startWeather(sandbox: Sandbox, random: Random, options: { noise: number }): Weather {
  const places: readonly [Place, ...Place[]] = [
    { name: "hubspot", faults: sandbox.hubspot.faults },
    { name: "zendesk", faults: sandbox.zendesk.faults },
    { name: "linear", faults: sandbox.linear.faults },
    { name: "github", faults: sandbox.github.faults },
    { name: "stripe", faults: sandbox.stripe.faults },
    { name: "slack", faults: sandbox.slack.faults },
    { name: "google", faults: sandbox.google.faults },
    { name: "graph", faults: sandbox.graph.faults },
    { name: "anthropic", faults: sandbox.anthropic.faults },
    { name: "openai", faults: sandbox.openai.faults },
  ];
  const counts: Record<string, number> = {};
  const storms = new Map<string, Kind>();
  const timers = new Set<NodeJS.Timeout>();
  const met = (what: string): true => {
    counts[what] = (counts[what] ?? 0) + 1;
    return true;
  };

  for (const { name, faults } of places) {
    const dice = random.fork(name);
    const when = (what: string, factor = 1) => ({
      times: always,
      when: () => dice.chance(options.noise * factor) && met(what),
    });
    const during = (kind: Kind) => ({
      times: always,
      when: () => storms.get(name) === kind && met(`storm ${kind}`),
    });
    faults.fail({ status: 503, ...during("busy") });
    faults.fail({ status: 429, retryAfter: 2, ...during("limiting") });
    faults.fail({ status: 500, ...when("500 before") });
    faults.fail({ status: 502, after: "effect", ...when("502 after") });
    faults.drop({ after: "before", ...when("cut before") });
    faults.drop({ after: "effect", ...when("cut after") });
    faults.garble(when("unreadable after"));
    faults.fail({ status: 429, retryAfter: 1, ...when("429") });
    faults.stall({ after: "effect", ...when("no answer after", 0.1) });
  }
  const dice = random.fork("refusals");
  const refuse = (faults: Faults, matches: (call: Call) => boolean) =>
    faults.fail({
      status: 422,
      times: always,
      when: (call) => matches(call) && dice.chance(0.01) && met("422 for good"),
    });
  refuse(sandbox.zendesk.faults, ({ method, path }) => method === "POST" && path.endsWith("/tickets"));
  refuse(sandbox.hubspot.faults, ({ method, path }) => method === "POST" && path.endsWith("/objects/notes"));
  const post = random.fork("smtp");
  sandbox.smtp.faults.rejectRecipient({
    times: always,
    when: () => post.chance(0.01) && met("550 for good"),
  });
  sandbox.smtp.faults.defer({ times: always, when: () => post.chance(0.02) && met("451") });
  sandbox.smtp.faults.dropAfterData({
    times: always,
    when: () => post.chance(0.05) && met("mail kept, cut"),
  });

  function storm(ms: number): void {
    const place = random.pick(places);
    const kind = random.pick(kinds);
    if (storms.has(place.name)) return;
    met(`storms at ${place.name}`);
    storms.set(place.name, kind);
    if (kind === "down") place.faults.down();
    const timer = setTimeout(() => {
      timers.delete(timer);
      storms.delete(place.name);
      place.faults.up();
    }, ms);
    timers.add(timer);
  }
  return {
    counts: () => counts,
    storm,
    end() {
      timers.forEach((timer) => clearTimeout(timer));
      storms.clear();
      places.forEach(({ faults }) => faults.clear());
      sandbox.smtp.faults.clear();
    },
  };
}
