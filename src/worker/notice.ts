/**
 * Tells people of held actions, where they work. A notice is a run of the system about another run, started in the
 * transaction that put that one down to wait: it has a claim, steps and an action of its own, and so is posted once, waits
 * for what is out of order, and never keeps the run that it is about. What was decided before it could be posted needs
 * no notice any more.
 */
import { z } from "zod";
import type { AgentDefinition, AgentKit } from "../domain/agent.ts";
import { isHeld } from "../domain/action.ts";
import type { Action, PlannedAction } from "../domain/action.ts";
import { isObject } from "../domain/json.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { NewRun, Reads } from "../domain/ports.ts";
import { noticePlaces } from "../domain/review-notice.ts";
import type { NoticePlace, ReviewSettings } from "../domain/review-notice.ts";
import { noticeAgent } from "../domain/run.ts";
import type { Mode, Run } from "../domain/run.ts";
import type { Source } from "../domain/source.ts";
import type { Ids } from "../resilience/ids.ts";
import { noticeAsText, noticeOf } from "./notice-text.ts";
import type { NoticeSubject } from "./notice-text.ts";

export interface NoticeParts {
  readonly reads: Pick<Reads, "run" | "event" | "action">;
  readonly sources: () => ReadonlyMap<string, Source>;
  readonly table: () => { readonly reviews: ReviewSettings; modeOf(route: string): Mode | null };
}

/** How long a task in HubSpot gives whoever decides. */
const dueMs = 86_400_000;

/** The run that is to tell of what `run` holds; null where nobody is told. */
export function noticeRun(
  { ids, table }: { readonly ids: Ids; readonly table: () => { readonly reviews: ReviewSettings } },
  run: Run,
  mode: Mode,
): NewRun | null {
  const { reviews } = table();
  const nobody = placesIn(reviews, run.agent, reviews.places).length === 0;
  if (mode === "dry-run" || nobody) return null;
  return {
    id: ids("run"),
    route: null,
    agent: noticeAgent,
    about: run.id,
    mode: "auto",
    concurrency: null,
    configHash: run.configHash,
    promptHash: null,
  };
}

/** Null when there is nothing to tell of any more. */
async function subjectOf({ reads, table }: NoticeParts, notice: Run): Promise<NoticeSubject | null> {
  const found = notice.about === null ? null : await reads.run(notice.about);
  if (!found) return null;
  const { run } = found;
  const actions = found.actions.filter(isHeld);
  const dry = run.route !== null && table().modeOf(run.route) === "dry-run";
  const event = dry || actions.length === 0 ? null : await reads.event(run.event);
  return event && { run, event, actions };
}

const decided = "everything was decided before anyone had to be told";

export function noticeFlow(parts: NoticeParts, notice: Run): AgentDefinition {
  return {
    name: noticeAgent,
    accepts: [],
    policy: z.unknown(),
    decision: z.unknown(),
    variables: [],
    allows: ["slack.review", "github.comment", "hubspot.task", "linear.comment"],
    async flow(kit) {
      const subject = await subjectOf(parts, notice);
      if (!subject) return { actions: [], summary: `Nothing is posted: ${decided}.` };
      const actions = await noticesIn(parts, kit, subject, `${subject.run.id}:${notice.generation}`);
      const places = actions.map(({ name }) => name).join(", ");
      const summary =
        places === ""
          ? `Nobody is told of what ${subject.run.id} holds: none of the places in \`reviews\` fits it.`
          : `Tells of what ${subject.run.id} holds, by ${places}.`;
      return { actions, summary };
    },
    stillApplies: async () => ((await subjectOf(parts, notice)) ? null : decided),
  };
}

async function noticesIn(
  parts: NoticeParts,
  kit: AgentKit<unknown>,
  subject: NoticeSubject,
  key: string,
): Promise<PlannedAction[]> {
  const { reviews } = parts.table();
  const fitting = await placesFor(parts, kit, subject);
  const possible = reviews.places.filter((place) => fitting.some((one) => one.place === place));
  return placesIn(reviews, subject.run.agent, possible).flatMap((place): PlannedAction[] => {
    const made = fitting.find((one) => one.place === place)?.make();
    return made ? [{ name: place, subject: key, ...made }] : [];
  });
}

/** Those of `possible` that the configuration names for the agent. */
function placesIn(
  reviews: ReviewSettings,
  agent: string,
  possible: readonly NoticePlace[],
): readonly NoticePlace[] {
  const first = preference(reviews).find((place) => possible.includes(place));
  const wanted = reviews.to(agent).flatMap((one) => (one === "auto" ? (first ?? []) : one));
  return [...new Set(wanted)].filter((place) => possible.includes(place));
}

/** Where buttons are set up, people mean to decide in Slack; else where the work is. */
const preference = ({ slack }: ReviewSettings): readonly NoticePlace[] =>
  slack === null ? [...noticePlaces.filter((place) => place !== "slack"), "slack"] : noticePlaces;

interface Fitting {
  readonly place: NoticePlace;
  make(): Pick<PlannedAction, "kind" | "input">;
}

/** Slack always fits; the others where the held actions are about something there. */
async function placesFor(
  { table, sources }: NoticeParts,
  kit: AgentKit<unknown>,
  subject: NoticeSubject,
): Promise<Fitting[]> {
  const { reviews } = table();
  const { actions, run } = subject;
  const since = Math.max(...actions.map(({ createdAt }) => createdAt));
  const buttons = reviews.slack !== null && sources().get(reviews.slack.source)?.active === true;
  const fitting: Fitting[] = [
    {
      place: "slack",
      make: () => ({ kind: "slack.review", input: { ...noticeOf(subject, reviews, buttons) } }),
    },
  ];
  const text = (style: "plain" | "markdown", public_ = false) => {
    // Why a model was not asked is nothing for the readers of a pull request.
    const shown = public_ ? { ...subject, run: { ...run, decidedWhy: null } } : subject;
    return noticeAsText(noticeOf(shown, reviews, false), style);
  };
  const pull = inputsOf(actions, "github.").find(({ number }) => typeof number === "number");
  if (pull)
    fitting.push({
      place: "github",
      make: () => {
        const { owner = "", repo = "", number = 0, installationId = null } = pull;
        const body = text("markdown", true);
        return { kind: "github.comment", input: { owner, repo, number, installationId, body } };
      },
    });
  const issueId = inputsOf(actions, "linear.")
    .map(({ issueId }) => issueId)
    .find(isText);
  if (issueId !== undefined)
    fitting.push({
      place: "linear",
      make: () => ({ kind: "linear.comment", input: { issueId, body: text("markdown") } }),
    });
  const contactId = reviews.places.includes("hubspot") ? await contactOf(kit, actions) : null;
  if (contactId !== null)
    fitting.push({
      place: "hubspot",
      make: () => {
        const subjectLine = `Review: ${noticeOf(subject, reviews, false).title}`;
        const task = { contactId, subject: subjectLine, body: text("plain"), priority: "MEDIUM" };
        return { kind: "hubspot.task", input: { ...task, dueAt: since + dueMs } };
      },
    });
  return fitting;
}

const isText = (value: Json | undefined): value is string => typeof value === "string" && value !== "";

const inputsOf = (actions: readonly Action[], prefix: string): JsonObject[] =>
  actions.filter(({ kind }) => kind.startsWith(prefix)).map(({ input }) => input);

/** The contact that is there already: a notice makes none. */
async function contactOf(kit: AgentKit<unknown>, actions: readonly Action[]): Promise<string | null> {
  const inputs = inputsOf(actions, "hubspot.");
  const known = inputs.map(({ contactId }) => contactId).find(isText);
  const email = inputs.map((input) => input["email"]).find(isText);
  if (known !== undefined || email === undefined) return known ?? null;
  const found = await kit.step("contact", 1, async () => {
    const contact = await kit.read.hubspot?.contactByEmail(email);
    return { id: contact?.id ?? null };
  });
  return isObject(found) ? found.id : null;
}
