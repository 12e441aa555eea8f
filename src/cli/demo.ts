/**
 * `signalbox demo`: the whole service on this computer, against stand-ins, with an outage of the model in the middle.
 *
 *   all is well ─▶ the model is taken down ─▶ the model is back ─▶ [one event after the other, until Ctrl-C] ─▶ summary
 *
 * What is held for review is approved by the demo, through the same API that a person uses, after it was shown.
 * Killed in the middle, the next demo takes up where this one stopped, and counts both.
 */
import { setTimeout } from "node:timers/promises";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { scenesOf } from "./demo-scenes.ts";
import type { Scene, Sent } from "./demo-scenes.ts";
import { createScreen } from "./demo-screen.ts";
import type { Screen } from "./demo-screen.ts";
import { openStage } from "./demo-stage.ts";
import type { Stage } from "./demo-stage.ts";
import { verify } from "./demo-verify.ts";
import type { Verdict } from "./demo-verify.ts";
import { Failure, exitCodes } from "./failure.ts";
import { urlOf } from "./service.ts";
import type { ActionRow, BreakerRow, EventRow, List, RunRow } from "./service.ts";

const pollMs = 150;
/** A run that has not come to rest by then hangs: the demo says so instead of waiting for ever. */
const restMs = 90_000;
const betweenEventsMs = 3_000;
/** One scene in so many is delivered twice. */
const duplicateEvery = 4;

interface Play {
  readonly stage: Stage;
  readonly screen: Screen;
  readonly sent: Map<string, Sent>;
  readonly signal: AbortSignal;
  deliveries: number;
}

export async function demo(context: Context, options: { once: boolean }): Promise<void> {
  const ended = new AbortController();
  process.once("SIGINT", () => ended.abort());
  process.once("SIGTERM", () => ended.abort());
  const stage = await openStage(context);
  const adminUrl = urlOf(stage.app.admin.host, stage.app.admin.port);
  const screen = createScreen(context.terminal, adminUrl);
  const following = new AbortController();
  const feed = follow(stage, screen, following.signal);
  const play: Play = { stage, screen, sent: new Map(), signal: ended.signal, deliveries: 0 };
  let verdict: Verdict;
  try {
    screen.headline("Signalbox demo: everything below happens on this computer, and nothing leaves it.");
    screen.remark(`dashboard  ${adminUrl}${stage.app.loginPath()}`);
    if (stage.resumed) await resume(play);
    await scenario(play);
    if (!options.once) await goOn(play);
    verdict = await judge(play);
  } finally {
    following.abort();
    await feed;
    await stage.close();
  }
  if (context.terminal.json) context.terminal.printJson(verdict);
  else screen.summary(verdict, { events: play.sent.size, deliveries: play.deliveries });
  if (verdict.lost.length + verdict.duplicated.length > 0) {
    throw new Failure("the demo's events and the vendors' record do not agree", {
      hint: `Its log is ${stage.folder}/service.log.`,
    });
  }
  if (ended.signal.aborted && options.once) throw new Failure("", { exitCode: exitCodes.interrupted });
}

/** An earlier demo was killed: everything it sent is sent again, and may not be counted again. */
async function resume(play: Play): Promise<void> {
  play.screen.headline("An earlier demo was cut short: its runs go on, and what it sent is sent again.");
  const earlier = play.stage.record.rounds;
  for (let round = 0; round < earlier; round += 1) await sendAll(play, scenesOf(play.stage, round));
  await rest(play);
}

async function scenario(play: Play): Promise<void> {
  const { sandbox } = play.stage;
  play.screen.headline(
    "1  Signed events come in; some of them twice. GitHub's connection breaks after it took a review.",
  );
  sandbox.github.faults.drop({
    after: "effect",
    times: 1,
    when: (call) => call.method === "POST" && call.path.endsWith("/reviews"),
  });
  await sendRound(play);
  play.screen.headline("2  The models go down: breakers open, rules take over.");
  for (const model of [sandbox.anthropic, sandbox.openai]) model.faults.down();
  await sendRound(play);
  play.screen.headline("3  The models are back: one call tries, the breaker closes, models decide again.");
  for (const model of [sandbox.anthropic, sandbox.openai]) model.faults.up();
  await breakersTried(play);
  await sendRound(play);
}

async function sendRound(play: Play): Promise<void> {
  if (play.signal.aborted) return;
  await sendAll(play, nextRound(play));
  await rest(play);
}

function nextRound({ stage }: Play): Scene[] {
  const round = stage.record.rounds;
  // Noted before anything of it is sent: after a kill, all of it is sent again.
  stage.record.rounds = round + 1;
  stage.save();
  return scenesOf(stage, round);
}

async function sendAll(play: Play, scenes: readonly Scene[]): Promise<void> {
  for (const [index, scene] of scenes.entries()) {
    if (play.signal.aborted) return;
    await send(play, scene, index % duplicateEvery === 0 ? 2 : 1);
  }
}

async function send(play: Play, scene: Scene, times: number): Promise<void> {
  const sent = await scene.play(times);
  play.sent.set(`${sent.source} ${sent.providerId}`, sent);
  play.deliveries += times;
}

async function goOn(play: Play): Promise<void> {
  if (play.signal.aborted) return;
  play.screen.headline("4  It goes on, an event every few seconds. Ctrl-C ends it and shows the summary.");
  while (!play.signal.aborted) {
    for (const scene of nextRound(play)) {
      await pause(betweenEventsMs, play.signal);
      if (play.signal.aborted) break;
      await send(play, scene, 1);
      await approveHeld(play.stage);
    }
  }
}

/** Waits until every run is at rest, approving what is held. */
async function rest(play: Play): Promise<void> {
  for (let waited = 0; waited < restMs; waited += pollMs) {
    await pause(pollMs);
    await approveHeld(play.stage);
    if ((await unfinished(play.stage)) === 0) return;
  }
}

async function unfinished({ service }: Stage): Promise<number> {
  const { runs } = await service.get<{ runs: Record<string, number> }>("/api/overview");
  return ["queued", "running", "waiting", "awaiting_review"].reduce(
    (sum, status) => sum + (runs[status] ?? 0),
    0,
  );
}

async function approveHeld({ service }: Stage): Promise<void> {
  const { items } = await service.get<List<ActionRow>>("/api/actions?status=awaiting_review&limit=200");
  for (const { id, hash } of items.toReversed()) await service.post(`/api/actions/${id}/approve`, { hash });
}

/** Waits until every breaker may be tried, so that the next decision is the probe. */
async function breakersTried({ stage, signal }: Play): Promise<void> {
  for (let waited = 0; waited < restMs && !signal.aborted; waited += pollMs) {
    const { items } = await stage.service.get<List<BreakerRow>>("/api/breakers");
    if (items.every(({ openUntil }) => openUntil === null || Date.parse(openUntil) <= systemClock.now()))
      return;
    await pause(pollMs);
  }
}

async function judge(play: Play): Promise<Verdict> {
  await rest(play);
  const { sandbox, record } = play.stage;
  const verdict = verify({
    sent: [...play.sent.values()],
    events: await all<EventRow>(play.stage, "/api/events?"),
    runs: await all<RunRow>(play.stage, "/api/runs?"),
    actions: await all<ActionRow>(play.stage, "/api/actions?"),
    effects: sandbox.effects(),
  });
  record.finished = true;
  play.stage.save();
  return verdict;
}

async function all<T>({ service }: Stage, path: string): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: List<T> = await service.get<List<T>>(
      `${path}limit=200${cursor === null ? "" : `&cursor=${cursor}`}`,
    );
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return items;
}

async function follow({ service }: Stage, screen: Screen, signal: AbortSignal): Promise<void> {
  try {
    for await (const change of service.changes(signal, () => {})) screen.change(change);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await setTimeout(ms, undefined, signal ? { signal } : undefined);
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}
