/**
 * The press of a button on a review notice in Slack: a run of the system, of an event like any other, so that it is
 * stored before Slack is answered, and carried out once.
 *
 *   judged ─ refused: nothing changes, and whoever pressed is told why
 *      └──── allowed ─▶ decided, with the audit ─▶ the notice shows what was decided
 *
 * Judging is recorded before the decision: a press that is taken up again after a crash knows its own decision from
 * someone else's. Presses on one action follow each other.
 */
import { z } from "zod";
import type { AgentDefinition, AgentEvent } from "../domain/agent.ts";
import { isHeld } from "../domain/action.ts";
import type { Action, PlannedAction } from "../domain/action.ts";
import { Conflict } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { Journal } from "../domain/ports.ts";
import type { Queue } from "../domain/queue.ts";
import { clickIn, pressOf } from "../domain/review-press.ts";
import type { Press } from "../domain/review-press.ts";
import { pressAgent } from "../domain/run.ts";
import { noticeOf, stateOf } from "./notice-text.ts";
import type { NoticeParts } from "./notice.ts";
import { createReview } from "./review.ts";
import type { WorkTable } from "./table.ts";

export interface PressParts extends Omit<NoticeParts, "table"> {
  readonly journal: Journal;
  readonly queue: Queue;
  readonly table: () => WorkTable;
}

const unchanged = "Nothing was changed";

export function pressFlow(parts: PressParts): AgentDefinition {
  return {
    name: pressAgent,
    accepts: [],
    policy: z.unknown(),
    decision: z.unknown(),
    variables: [],
    allows: ["slack.answer"],
    async flow({ event, step }) {
      const { press, user, url } = readPress(event);
      const { refusal } = await step("judge", 1, async () => ({
        refusal: await refusalOf(parts, event, press, user),
      }));
      const by = `slack:${user}`;
      const result =
        refusal === null && press
          ? await step("decide", 1, () => decide(parts, event, press, by))
          : { done: false, text: refusal ?? unchanged };
      const notice = result.done && press ? await changedNotice(parts, press.action) : null;
      const answer = { url, text: result.text, notice };
      const actions: PlannedAction[] =
        url === "" ? [] : [{ name: "answer", kind: "slack.answer", input: answer }];
      return { actions, summary: `${by}: ${result.text}` };
    },
  };
}

function readPress({ payload }: AgentEvent): { press: Press | null; user: string; url: string } {
  const body = isObject(payload as Json) ? (payload as JsonObject) : {};
  const click = clickIn(payload);
  const user = isObject(body["user"] ?? null) ? (body["user"] as JsonObject)["id"] : "";
  const url = body["response_url"];
  return {
    press: click && pressOf(click),
    user: typeof user === "string" && /^[UW][A-Z0-9]{2,20}$/.test(user) ? user : "unknown",
    url: typeof url === "string" && URL.canParse(url) ? url : "",
  };
}

/** Why the press changes nothing, for whoever pressed; null when it may. */
async function refusalOf(
  { reads, table }: PressParts,
  { source }: AgentEvent,
  press: Press | null,
  user: string,
): Promise<string | null> {
  const { slack } = table().reviews;
  if (slack === null) return `${unchanged}: decisions in Slack are not set up (reviews.slack).`;
  if (source !== slack.source)
    return `${unchanged}: presses count when they arrive at the source that reviews.slack names.`;
  if (!slack.approvers.includes(user))
    return `${unchanged}: you (${user}) are not among those who may decide (reviews.slack.approvers).`;
  if (press === null) return `${unchanged}: this button is none that Signalbox knows.`;
  const action = await reads.action(press.action);
  if (action === null) return `${unchanged}: there is no such action any more.`;
  if (action.status !== "awaiting_review") return `${unchanged}: it is no longer held (${stateOf(action)}).`;
  if (action.hash !== press.hash)
    return `${unchanged}: the action has changed since this notice was posted. Look at it again before deciding.`;
  return null;
}

/** Throws JournalUnavailable. */
async function decide(
  { journal, reads, queue, table }: PressParts,
  event: AgentEvent,
  { deed, action, hash }: Press,
  by: string,
): Promise<{ done: boolean; text: string }> {
  const review = createReview(journal, reads, queue, table);
  const reason = "rejected in Slack";
  try {
    if (deed === "approve") await review.approve(action, { hash, by });
    else await review.reject(action, { reason, by });
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    const now = await reads.action(action);
    if (!now || !isOwn(now, deed, by))
      return { done: false, text: `${unchanged}: ${now ? stateOf(now) : error.message}.` };
  }
  // The event's own id: a press that is taken up again adds nothing.
  await journal.recordDeed(event.id.replace(/^evt_/, "aud_"), {
    by,
    address: null,
    deed: deed === "approve" ? "action.approve" : "action.reject",
    object: action,
    reason: deed === "approve" ? null : reason,
    details: deed === "approve" ? { hash, edited: false, event: event.id } : { event: event.id },
  });
  return { done: true, text: deed === "approve" ? "Approved." : "Rejected." };
}

/** It was held when this press was judged: this person's decision of this kind is the one of this press. */
const isOwn = ({ status, reviewedBy }: Action, deed: Press["deed"], by: string): boolean =>
  reviewedBy === by && (status === "rejected") === (deed === "reject");

/** The notice as it would read now, with what is left to decide. */
async function changedNotice({ reads, table, sources }: PressParts, id: string) {
  const action = await reads.action(id);
  const found = action && (await reads.run(action.run));
  const event = found && (await reads.event(found.run.event));
  if (!found || !event) return null;
  const { reviews } = table();
  const shown = found.actions.filter(
    (one) => isHeld(one) || one.status === "skipped" || one.reviewedBy !== null,
  );
  const buttons = reviews.slack !== null && sources().get(reviews.slack.source)?.active === true;
  return noticeOf({ run: found.run, event, actions: shown }, reviews, buttons);
}
