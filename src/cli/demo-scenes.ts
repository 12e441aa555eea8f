/** What the demo sends: signed as the providers sign, and the same again for the same round, however often it is asked. */
import { sha256 } from "../domain/json.ts";
import type { Sandbox } from "../sandbox/index.ts";
import { githubEvent, roundOf, seedRound, stripeEvent } from "../sandbox/scenario.ts";
import type { ScenarioRound } from "../sandbox/scenario.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Mail } from "../sandbox/gmail-messages.ts";
import { deliver, gmailPush, signGithub, signStripe } from "../sandbox/senders.ts";
import type { Signed } from "../sandbox/senders.ts";
import { publicUrl, pushAccount } from "./demo-stage.ts";
import type { DemoRecord } from "./demo-stage.ts";

/** Something that was announced to the service and has to be found in its journal. */
export interface Sent {
  readonly source: "github" | "stripe" | "inbox";
  readonly providerId: string;
}

/** What scenes need of the demo's stage. */
export interface SceneStage {
  readonly sandbox: Sandbox;
  readonly record: Pick<DemoRecord, "githubSecret" | "stripeSecret">;
  /** Where the service receives; it may change with a restart. */
  readonly ingestUrl: () => string;
}

export interface Scene {
  readonly source: Sent["source"];
  /** Announces it `times` times; the journal may count it once. */
  play(times: number): Promise<Sent>;
}

/** Fills the vendors for a round, once, and gives its scenes in the order they are played. */
export function scenesOf(stage: SceneStage, round: number): Scene[] {
  const world = roundOf(round);
  seedRound(stage.sandbox, world, systemClock.now());
  return interleaved([githubScenes(stage, world), stripeScenes(stage, world), mailScenes(stage, world)]);
}

const uuidOf = (text: string): string => {
  const hex = sha256("demo", text);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

function githubScenes(stage: SceneStage, { pullRequests }: ScenarioRound): Scene[] {
  return pullRequests.map((pull) => ({
    source: "github",
    play: async (times) => {
      const delivery = uuidOf(`${pull.owner}/${pull.repo}#${pull.number}`);
      const payload = githubEvent(stage.sandbox.github, pull, "opened");
      const signed = signGithub({
        secret: stage.record.githubSecret,
        event: "pull_request",
        payload,
        delivery,
      });
      await post(stage, "github", signed, times);
      return { source: "github", providerId: delivery };
    },
  }));
}

function stripeScenes(stage: SceneStage, { customers }: ScenarioRound): Scene[] {
  return customers.map((customer) => ({
    source: "stripe",
    play: async (times) => {
      const event = stripeEvent(stage.sandbox.stripe, customer);
      const timestamp = Math.floor(systemClock.now() / 1_000);
      const signed = signStripe({ secret: stage.record.stripeSecret, payload: event, timestamp });
      await post(stage, "stripe", signed, times);
      return { source: "stripe", providerId: event.id };
    },
  }));
}

function mailScenes(stage: SceneStage, { mails }: ScenarioRound): Scene[] {
  const { google } = stage.sandbox;
  return mails.map((mail) => ({
    source: "inbox",
    play: async (times) => {
      const { id, historyId } = received(google, mail) ?? google.receive(mail);
      const token = google.mintPushToken({ audience: `${publicUrl}/webhooks/inbox`, email: pushAccount });
      await post(stage, "inbox", gmailPush({ token, body: google.pushBody(historyId) }), times);
      return { source: "inbox", providerId: id };
    },
  }));
}

/** A mail that came in before a kill: received again it would be another message. */
function received(google: Sandbox["google"], mail: Mail): { id: string; historyId: string } | null {
  const messageId = mail.headers?.["Message-ID"];
  if (messageId === undefined) return null;
  const known = google.state.messages.find(({ raw }) => Buffer.from(raw, "base64url").includes(messageId));
  return known ? { id: known.id, historyId: String(known.historyId) } : null;
}

/** Throws when the service answers anything but 2xx: the demo's senders have nothing to retry for. */
async function post(stage: SceneStage, source: Sent["source"], signed: Signed, times: number): Promise<void> {
  const url = `${stage.ingestUrl()}/webhooks/${source}`;
  for (let time = 0; time < times; time += 1) {
    const { status } = await deliver(url, signed);
    if (status !== 200) throw new Error(`the service answered ${status} to a signed ${source} event`);
  }
}

function interleaved(lists: readonly Scene[][]): Scene[] {
  const longest = Math.max(...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, index) => lists.flatMap((list) => list[index] ?? [])).flat();
}
