/** A review notice in Block Kit, and the answer to the press of one of its buttons. */
import { z } from "zod";
import { actionKinds } from "../domain/action-kinds.ts";
import type { ReviewNotice } from "../domain/action-kinds.ts";
import { ServiceError } from "../domain/errors.ts";
import type { ActionExecutor } from "../domain/ports.ts";
import { pressIds, pressValue } from "../domain/review-press.ts";
import type { PressDeed } from "../domain/review-press.ts";
import type { Attempt } from "./http.ts";
import { UnexpectedAnswer, boundFetch } from "./http.ts";

/** Slack's three control characters: without them a text holds no mention, no link and no date. */
const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const plain = (text: string) => ({ type: "plain_text", text, emoji: false });
/** Plain text is shown to the letter: no mark-up, no mention. */
const paragraph = (text: string) => ({ type: "section", text: plain(text.slice(0, 3_000)) });
const mrkdwn = (text: string) => ({ type: "mrkdwn", text });

function button(deed: PressDeed, value: string) {
  const approves = deed === "approve";
  return {
    type: "button",
    action_id: pressIds[deed],
    text: plain(approves ? "Approve" : "Reject"),
    style: approves ? "primary" : "danger",
    value,
    ...(approves
      ? {
          confirm: {
            title: plain("Approve this action?"),
            text: plain("It is carried out exactly as the review page shows it."),
            confirm: plain("Approve"),
            deny: plain("Not yet"),
          },
        }
      : {}),
  };
}

type Held = ReviewNotice["held"][number];

function heldBlocks({ action, text, buttons, state }: Held, index: number): object[] {
  const says = paragraph(`${index + 1}. ${text}`);
  if (state !== null) {
    // Who decided is named so that Slack shows the name.
    const named = escaped(state).replace(/\bslack:([UW][A-Z0-9]{2,20})\b/, "<@$1>");
    return [says, { type: "context", elements: [mrkdwn(named)] }];
  }
  if (buttons === null) return [says];
  const value = pressValue({ action, hash: buttons });
  return [
    says,
    { type: "actions", block_id: action, elements: [button("approve", value), button("reject", value)] },
  ];
}

function whereBlock({ url, text }: ReviewNotice["where"]): object {
  if (url === null) return paragraph(text);
  const address = encodeURI(url).replaceAll("|", "%7C");
  return { type: "section", text: mrkdwn(`<${escaped(address)}|${escaped(text)}>`) };
}

/** `text` is what notifications and screen readers get. */
export const reviewMessage = (notice: ReviewNotice): { text: string; blocks: object[] } => ({
  text: escaped([notice.title, ...notice.held.map((item) => item.text)].join("\n")).slice(0, 3_000),
  blocks: [
    { type: "header", text: plain(notice.title) },
    ...notice.held.flatMap(heldBlocks),
    paragraph(notice.about.join("\n") || notice.title),
    whereBlock(notice.where),
  ],
});

const hooks = "https://hooks.slack.com";

/** Whoever signs a press could name any address: only Slack's own is answered, or that of the configured stand-in. */
const isAnswerable = (url: string, baseUrl: string | undefined): boolean => {
  const { origin, username, password } = new URL(url);
  const allowed = baseUrl ? [hooks, new URL(baseUrl).origin] : [hooks];
  return allowed.includes(origin) && username === "" && password === "";
};

/** Slack says so when half an hour has passed, or five answers were given: then nobody waits for one. */
const Over = z.object({ error: z.enum(["expired_url", "used_url", "invalid_url"]) });

/** An answer that is given twice reads the same. */
export const answer = (attempt: Attempt, baseUrl: string | undefined): ActionExecutor => ({
  repeat: "natural",
  settleMs: 0,
  async execute(input, _key, call) {
    const { url, text, notice } = actionKinds["slack.answer"].parse(input);
    if (!isAnswerable(url, baseUrl))
      throw new ServiceError(
        "slack",
        "invalid",
        "the press is to be answered at an address that is not Slack's",
      );
    const message = notice
      ? { replace_original: true, ...reviewMessage(notice) }
      : { response_type: "ephemeral", replace_original: false, text: escaped(text) };
    return attempt(call, "write", async () => {
      const response = await boundFetch(url, {
        method: "POST",
        redirect: "manual",
        headers: { "content-type": "application/json; charset=utf-8", "user-agent": "signalbox" },
        body: JSON.stringify(message),
      });
      const said = await response.text();
      if (response.ok) return { answered: "yes" };
      const body = parsedOrNull(said);
      if (response.status === 404 || Over.safeParse(body).success) return { answered: "too late" };
      throw new UnexpectedAnswer(response.status, response.headers, body);
    });
  },
});

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
