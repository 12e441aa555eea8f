/**
 * What a review notice says. It goes to places that more people read than may decide, so it says what kind of thing is
 * held, for which event and by whom it was decided, and never what is in it: no address, no name, no text of a stranger
 * or a model. What comes from configuration or facts passes `plainText`, so that it links nowhere and calls nobody.
 */
import type { ActionKind, ReviewNotice } from "../domain/action-kinds.ts";
import { isHeld } from "../domain/action.ts";
import type { Action } from "../domain/action.ts";
import { isObject } from "../domain/json.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import { plainText } from "../domain/outgoing-text.ts";
import type { ReviewSettings } from "../domain/review-notice.ts";
import type { Run } from "../domain/run.ts";
import { redactText } from "../observability/redact.ts";

/** Slack takes 50 blocks; each of these is up to three. */
const mostShown = 12;

const textOf = (value: Json | undefined): string => (typeof value === "string" ? value : "");
const countOf = (value: Json | undefined): number => (Array.isArray(value) ? value.length : 0);
const listOf = (value: Json | undefined): string =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string").join(", ") : "";
const dayOf = (value: Json | undefined): string =>
  typeof value === "number" ? new Date(value).toISOString().slice(0, 10) : "a day to come";
const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;
const pull = ({ owner, repo, number }: JsonObject): string =>
  `${textOf(owner)}/${textOf(repo)}#${typeof number === "number" ? number : "?"}`;

/** Inputs may hold references to results that are not there yet, so they are read field by field. */
const sentences: Readonly<Record<ActionKind, (input: JsonObject) => string>> = {
  "github.review": (input) =>
    `Post a review with ${counted(countOf(input["comments"]), "inline comment")} on ${pull(input)}`,
  "github.comment": (input) => `Comment on ${pull(input)}`,
  "github.labels": (input) => `Label ${pull(input)}: ${listOf(input["labels"])}`,
  "linear.comment": () => "Comment on the Linear issue",
  "linear.attachment": () => "Link the pull request to the Linear issue",
  "linear.state": () => "Move the Linear issue to another state",
  "hubspot.contact": ({ properties }) =>
    `Create or update the contact in HubSpot (${isObject(properties ?? null) ? ["email", ...Object.keys(properties as JsonObject)].join(", ") : "email"})`,
  "hubspot.note": () => "Add a note to the contact in HubSpot",
  "hubspot.task": ({ priority, dueAt }) =>
    `Add a task in HubSpot: priority ${textOf(priority)}, due ${dayOf(dueAt)}`,
  "zendesk.ticket": ({ priority, tags }) =>
    `Open a ticket in Zendesk: priority ${textOf(priority)}, ${counted(countOf(tags), "tag")}`,
  "zendesk.comment": (input) =>
    `Write ${input["public"] === true ? "a public reply" : "an internal note"} on the Zendesk ticket ${textOf(input["ticketId"])}`,
  "stripe.coupon": ({ percentOff, durationInMonths, redeemBy }) =>
    `Make a coupon in Stripe: ${Number(percentOff)}% off for ${counted(Number(durationInMonths), "month")}, to be redeemed by ${dayOf(redeemBy)}`,
  "stripe.promotion_code": ({ customer }) =>
    `Make a code of that coupon, for customer ${textOf(customer)} alone`,
  "slack.message": () => "Write a message to Slack",
  "slack.review": () => "Post a review notice to Slack",
  "slack.answer": () => "Answer the press of a button in Slack",
  "email.send": ({ text }) => `Send an e-mail of ${counted(textOf(text).length, "character")}`,
};

const sentenceOf = ({ kind, input }: Pick<Action, "kind" | "input">): string =>
  plainText(redactText(sentences[kind](input))).slice(0, 400);

/** Dots would make a link of what only looks like a domain. */
const spaced = (type: string): string => plainText(type.replaceAll(".", " ")).slice(0, 100);
const said = (text: string): string => plainText(redactText(text)).replace(/\s+/g, " ").slice(0, 300);

export interface NoticeSubject {
  readonly run: Run;
  readonly event: { readonly source: string; readonly type: string };
  /** Those that the notice is about, in the order they would be carried out. */
  readonly actions: readonly Action[];
}

/** `buttons`: Slack brings their presses back to us. */
export function noticeOf(
  { run, event, actions }: NoticeSubject,
  { adminUrl }: Pick<ReviewSettings, "adminUrl">,
  buttons: boolean,
): ReviewNotice {
  const held = actions.filter(isHeld);
  const why = held.find(({ status, reason }) => status === "awaiting_review" && reason !== null)?.reason;
  const rest = actions.length - mostShown;
  const since = new Date(Math.max(...actions.map(({ createdAt }) => createdAt))).toISOString();
  return {
    title:
      held.length > 0
        ? `${counted(held.length, "action")} of ${run.agent} ${held.length === 1 ? "waits" : "wait"} for a person`
        : `Decided: what ${run.agent} wanted to do`,
    about: [
      `For: ${spaced(event.source)}, ${spaced(event.type)}${run.route === null ? "" : ` (route ${run.route})`}`,
      ...(run.decidedBy === null
        ? []
        : [`Decided by: ${run.decidedBy}${run.decidedWhy === null ? "" : ` (${said(run.decidedWhy)})`}`]),
      ...(why ? [`Held because: ${said(why)}`] : []),
      `Since ${since.slice(0, 16).replace("T", " ")} UTC, without a limit: nothing of it is done until someone decides, and then only if it still applies.`,
      ...(rest > 0 ? [`And ${rest} more, which are shown on the review page.`] : []),
    ],
    held: actions.slice(0, mostShown).map((action) => ({
      action: action.id,
      text:
        action.status === "uncertain"
          ? `It is not known whether this took effect. ${sentenceOf(action)}`
          : sentenceOf(action),
      buttons: buttons && action.status === "awaiting_review" ? action.hash : null,
      state: isHeld(action) ? null : stateOf(action),
    })),
    where:
      adminUrl === null
        ? { url: null, text: `Decide on the dashboard, or with: signalbox review list (run ${run.id})` }
        : { url: `${adminUrl}/#/runs/${run.id}`, text: "Open the review" },
  };
}

/** What became of an action that was held. */
export function stateOf({ status, reviewedBy, reason }: Action): string {
  const by = reviewedBy === null ? "" : ` by ${reviewedBy}`;
  if (status === "rejected") return `rejected${by}`;
  if (status === "skipped") return `skipped: ${said(reason ?? "it was not needed")}`.slice(0, 200);
  return reviewedBy === null ? status : `approved${by}`;
}

/** For places that take text; `markdown` where a line of its own needs a mark. */
export function noticeAsText(notice: ReviewNotice, style: "plain" | "markdown"): string {
  const markdown = style === "markdown";
  const where =
    notice.where.url === null
      ? notice.where.text
      : markdown
        ? `[${notice.where.text}](${notice.where.url})`
        : `${notice.where.text}: ${notice.where.url}`;
  return [
    ...(markdown ? [`**${notice.title}**`] : []),
    notice.held.map(({ text }, index) => `${index + 1}. ${markdown ? escaped(text) : text}`).join("\n"),
    notice.about.map((line) => (markdown ? escaped(line) : line)).join(markdown ? "  \n" : "\n"),
    where,
  ].join("\n\n");
}

/** What Markdown would take for emphasis, a heading, a table or a link. `#7` stays a reference to where it is said. */
const escaped = (text: string): string => text.replace(/[\\*_[\]|~]/g, "\\$&");
