import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import type { PlannedAction } from "../../src/domain/action.ts";
import type { ReviewNotice } from "../../src/domain/action-kinds.ts";
import type { AgentDefinition } from "../../src/domain/agent.ts";
import { ServiceError } from "../../src/domain/errors.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { pressIds, pressValue } from "../../src/domain/review-press.ts";
import type { ReviewSettings } from "../../src/domain/review-notice.ts";
import { slack as slackSource } from "../../src/sources/slack.ts";
import { openLine, recordingExecutor } from "../support/line.ts";
import type { Line, LineOptions } from "../support/line.ts";

const evil = "<!channel> [win](https://evil.example) @ada evil.example robin@stranger.example";
const mail: PlannedAction = {
  name: "offer",
  kind: "email.send",
  input: { to: "robin@stranger.example", subject: evil, text: evil },
};
const agentOf = (...actions: PlannedAction[]): AgentDefinition => ({
  name: "churn-intervention",
  accepts: ["*"],
  policy: z.unknown(),
  decision: z.unknown(),
  variables: [],
  allows: actions.map(({ kind }) => kind),
  flow: async () => ({ actions, summary: evil }),
});

/** Keeps what it was given, under its key. */
function keeping(over: Parameters<typeof recordingExecutor>[0] = {}) {
  const inputs: JsonObject[] = [];
  const executor = recordingExecutor(over);
  const { execute } = executor;
  return {
    ...executor,
    inputs,
    execute: (async (input, key, call) => {
      const ref = await execute(input, key, call);
      inputs.push(input);
      return ref;
    }) as typeof execute,
  };
}

const lines: Line[] = [];
afterEach(async () => {
  for (const one of lines.splice(0)) await one.close();
});

const buttons: Partial<ReviewSettings> = {
  places: ["slack"],
  slack: { source: "chat", approvers: ["U024BE7LH"] },
};
function open(reviews: Partial<ReviewSettings>, over: Partial<LineOptions> = {}) {
  const [slack, email, answer] = [keeping(), keeping(), keeping()];
  const on = openLine({
    agent: agentOf(mail),
    mode: "review",
    source: slackSource({ name: "chat", secrets: ["signing-secret"] }),
    reviews,
    ...over,
    executors: {
      "slack.review": slack,
      "email.send": email,
      "slack.answer": answer,
      ...over.executors,
    },
  });
  lines.push(on);
  on.start();
  const noticesOf = async (run: string) =>
    (await on.reads.runs({ limit: 50, agent: "review-notice" })).items.filter(({ about }) => about === run);
  return { on, slack, email, answer, noticesOf };
}

/** The click of a button, as Slack sends it; resolves to the run that carries it out. */
let clicks = 0;
async function press(
  on: Line,
  {
    action,
    hash,
    deed = "approve" as const,
    user = "U024BE7LH",
    id = "signalbox.",
  }: {
    action: string;
    hash: string;
    deed?: "approve" | "reject";
    user?: string;
    id?: string;
  },
): Promise<string> {
  clicks += 1;
  const payload = {
    type: "block_actions",
    user: { id: user },
    container: { type: "message", message_ts: "1.2" },
    response_url: "https://hooks.slack.com/actions/T1/2/3",
    actions: [
      {
        action_id: id === "signalbox." ? pressIds[deed] : id,
        type: "button",
        value: pressValue({ action, hash }),
        action_ts: `1700000000.${String(clicks).padStart(6, "0")}`,
      },
    ],
  };
  const source = slackSource({ name: "chat", secrets: ["signing-secret"] });
  const request = {
    method: "POST",
    url: "/webhooks/chat",
    query: new URLSearchParams(),
    headers: {
      "content-type": "application/x-www-form-urlencoded",
      "x-slack-request-timestamp": "1700000000",
    },
    body: Buffer.from(new URLSearchParams({ payload: JSON.stringify(payload) }).toString()),
    remoteAddress: "127.0.0.1",
    receivedAt: on.clock.now(),
  };
  const [item] = await on.inbox.accept(source, request, { secretIndex: 0 }, source.identify(request));
  return item?.runs[0] ?? "";
}

describe("a notice of held actions", () => {
  it("is posted once for a run, says what is held and shows nothing of what is in it", async () => {
    const { on, slack, email, noticesOf } = open({
      places: ["slack"],
      adminUrl: "https://signalbox.acme.example",
    });
    const run = await on.receive({ text: evil });
    await on.until(run, "awaiting_review");
    const [notice] = await noticesOf(run);
    const posted = await on.until(notice?.id ?? "", "succeeded");
    expect(posted.run).toMatchObject({ about: run, route: null, event: expect.stringMatching(/^evt_/) });
    expect(slack.effects).toHaveLength(1);
    expect(email.effects).toHaveLength(0);
    const input = slack.inputs[0] as unknown as ReviewNotice;
    expect(input).toMatchObject({
      title: "1 action of churn-intervention waits for a person",
      held: [{ text: "Send an e-mail of 79 characters", buttons: null, state: null }],
      where: { url: `https://signalbox.acme.example/#/runs/${run}`, text: "Open the review" },
    });
    expect(input.about.join("\n")).toMatch(/^For: chat, pull_request opened \(route all\)\nSince 20/);
    expect(JSON.stringify({ ...input, where: null })).not.toMatch(/evil|stranger|channel>|win|@/);
  });

  it("is not sent for dry runs, for agents that nobody is told of, or again when a part was decided", async () => {
    const dry = open({ places: ["slack"] }, { mode: "dry-run" });
    await dry.on.until(await dry.on.receive(), "succeeded");
    expect(await dry.on.reads.runs({ limit: 9, agent: "review-notice" })).toMatchObject({ items: [] });

    const off = open({ places: ["slack"], to: () => [] });
    await off.on.until(await off.on.receive(), "awaiting_review");
    expect(await off.on.reads.runs({ limit: 9, agent: "review-notice" })).toMatchObject({ items: [] });

    const { on, slack, noticesOf } = open(
      { places: ["slack"] },
      { agent: agentOf(mail, { ...mail, name: "second" }) },
    );
    const run = await on.receive();
    const [first] = (await on.until(run, "awaiting_review")).actions;
    await on.until((await noticesOf(run))[0]?.id ?? "", "succeeded");
    await on.review.approve(first?.id ?? "", { hash: first?.hash ?? "", by: "dashboard" });
    await on.until(run, "awaiting_review");
    expect(await noticesOf(run)).toHaveLength(1);
    expect(slack.inputs[0]).toMatchObject({ held: [{}, {}] });
  });

  it("waits while Slack is down, without keeping the run it is about; decided meanwhile, it is not sent", async () => {
    let down = true;
    const slack = keeping({
      before: () => {
        if (down) throw new ServiceError("slack", "unavailable", "it is down");
      },
    });
    const { on, noticesOf } = open({ places: ["slack"] }, { executors: { "slack.review": slack } });
    const [one, two] = [await on.receive(), await on.receive()];
    const [held] = (await on.until(one, "awaiting_review")).actions;
    await on.until(two, "awaiting_review");
    const [first] = await noticesOf(one);
    const [second] = await noticesOf(two);
    await on.until(first?.id ?? "", "waiting");
    await on.review.approve(held?.id ?? "", { hash: held?.hash ?? "", by: "dashboard" });
    await on.until(one, "succeeded");
    down = false;
    const unsent = await on.until(first?.id ?? "", "cancelled");
    expect(unsent.run.reason).toBe("everything was decided before anyone had to be told");
    await on.until(second?.id ?? "", "succeeded");
    expect(slack.effects).toHaveLength(1);
  });

  it("is looked up before it is posted again, when nobody knows whether it was", async () => {
    let lost = true;
    const slack = keeping({
      after: () => {
        if (!lost) return;
        lost = false;
        throw new ServiceError("slack", "timeout", "no answer", { effect: "unknown" });
      },
    });
    const { on, noticesOf } = open({ places: ["slack"] }, { executors: { "slack.review": slack } });
    const run = await on.receive();
    await on.until(run, "awaiting_review");
    const posted = await on.until((await noticesOf(run))[0]?.id ?? "", "succeeded");
    expect(posted.actions).toMatchObject([{ status: "done", reason: "found after an unknown outcome" }]);
    expect(slack.attempts()).toBe(1);
  });

  it("is not begun where none of the places that are to be told has credentials", async () => {
    const { on } = open({ places: ["github"], to: () => ["slack"] });
    await on.until(await on.receive(), "awaiting_review");
    expect(await on.reads.runs({ limit: 9, agent: "review-notice" })).toMatchObject({ items: [] });
  });

  it("is no run of the event that its run is of: it tells of it, and works on nothing", async () => {
    const { on, noticesOf } = open({ places: ["slack"] });
    const run = await on.receive();
    const { event } = (await on.until(run, "awaiting_review")).run;
    await on.until((await noticesOf(run))[0]?.id ?? "", "succeeded");
    expect((await on.reads.event(event))?.runs.map(({ id }) => id)).toEqual([run]);
    expect((await on.reads.events({ limit: 9 })).items[0]?.runs.map(({ id }) => id)).toEqual([run]);
  });

  it("tells again of what is held anew after it was approved", async () => {
    const { on, slack, noticesOf } = open(
      { places: ["slack"] },
      {
        executors: {
          "email.send": {
            ...recordingExecutor({
              after: () => {
                throw new ServiceError("email", "timeout", "no answer", { effect: "unknown" });
              },
            }),
            repeat: "never",
          },
        },
      },
    );
    const run = await on.receive();
    const [held] = (await on.until(run, "awaiting_review")).actions;
    await on.until((await noticesOf(run))[0]?.id ?? "", "succeeded");
    await on.review.approve(held?.id ?? "", { hash: held?.hash ?? "", by: "dashboard" });
    await expect
      .poll(async () => {
        await on.clock.advance(250);
        return slack.inputs.length;
      })
      .toBe(2);
    expect(slack.inputs[1]).toMatchObject({
      held: [{ text: expect.stringMatching(/^It is not known whether this took effect/), buttons: null }],
    });
  });
});

describe("where a notice is posted", () => {
  const pull = { owner: "acme", repo: "web", installationId: null, number: 7 };
  const review: PlannedAction = {
    name: "review",
    kind: "github.review",
    input: { ...pull, commitId: "1234567", body: evil, comments: [] },
  };
  const comment: PlannedAction = {
    name: "told",
    kind: "linear.comment",
    input: { issueId: "issue-1", body: evil },
  };
  const contact: PlannedAction = {
    name: "contact",
    kind: "hubspot.contact",
    input: { email: "robin@stranger.example", properties: {} },
  };
  const everywhere: ReviewSettings["places"] = ["slack", "github", "hubspot", "linear"];
  const knows = (id: string | null) => ({
    hubspot: { contactByEmail: async () => (id === null ? null : { id }) },
  });

  async function place(
    actions: PlannedAction[],
    reviews: Partial<ReviewSettings>,
    over: Partial<LineOptions> = {},
  ) {
    const made = keeping();
    const { on, noticesOf } = open(reviews, {
      agent: agentOf(...actions),
      reads: knows("101"),
      executors: {
        "slack.review": made,
        "github.comment": made,
        "hubspot.task": made,
        "linear.comment": made,
      },
      ...over,
    });
    const run = await on.receive();
    await on.until(run, "awaiting_review");
    const { run: notice, actions: posted } = await on.until((await noticesOf(run))[0]?.id ?? "", "succeeded");
    return { kinds: posted.map(({ kind }) => kind), inputs: made.inputs, notice };
  }

  it("is the pull request, the HubSpot contact or the Linear issue that the work is about, else Slack", async () => {
    const onPull = await place([review, comment], { places: everywhere });
    expect(onPull.kinds).toEqual(["github.comment"]);
    expect(onPull.inputs[0]).toMatchObject({ owner: "acme", repo: "web", number: 7 });
    const body = onPull.inputs[0]?.["body"] as string;
    expect(body).toContain("**2 actions of churn-intervention wait for a person**");
    expect(body).toContain("1. Post a review with 0 inline comments on acme/web#7");
    expect(body).not.toMatch(/evil|stranger/);

    const atContact = await place([contact], { places: everywhere });
    expect(atContact.kinds).toEqual(["hubspot.task"]);
    expect(atContact.inputs[0]).toMatchObject({ contactId: "101", priority: "MEDIUM" });

    expect((await place([comment], { places: everywhere })).kinds).toEqual(["linear.comment"]);
    expect((await place([mail], { places: everywhere })).kinds).toEqual(["slack.review"]);
    expect((await place([contact], { places: everywhere }, { reads: knows(null) })).kinds).toEqual([
      "slack.review",
    ]);
  });

  it("is Slack where buttons are set up, those that are listed where they are, and only what has credentials", async () => {
    expect((await place([review], { ...buttons, places: everywhere })).kinds).toEqual(["slack.review"]);
    const both = await place([review], { places: everywhere, to: () => ["slack", "github", "linear"] });
    expect(both.kinds).toEqual(["slack.review", "github.comment"]);
    const able = await place([review], { places: ["slack", "linear"] });
    expect(able.kinds).toEqual(["slack.review"]);
    const one = await place([review], { places: ["slack"], to: () => ["slack", "github"] });
    expect(one.kinds).toEqual(["slack.review"]);
    const nowhere = await place([mail], { places: everywhere, to: () => ["github"] });
    expect(nowhere.kinds).toEqual([]);
    expect(nowhere.notice.status).toBe("succeeded");
  });
});

describe("the press of a button on a notice in Slack", () => {
  async function held(over: Partial<LineOptions> = {}, reviews: Partial<ReviewSettings> = buttons) {
    const opened = open(reviews, over);
    const run = await opened.on.receive();
    const [action] = (await opened.on.until(run, "awaiting_review")).actions;
    await opened.on.until((await opened.noticesOf(run))[0]?.id ?? "", "succeeded");
    return { ...opened, run, action: action?.id ?? "", hash: action?.hash ?? "" };
  }

  it("approves exactly what the notice was about: done once, with who pressed in the audit", async () => {
    const { on, run, action, hash, email, answer, slack } = await held();
    expect(slack.inputs[0]).toMatchObject({ held: [{ action, buttons: hash }] });
    await on.until(await press(on, { action, hash }), "succeeded");
    const { actions } = await on.until(run, "succeeded");
    expect(actions).toMatchObject([{ status: "done", reviewedBy: "slack:U024BE7LH" }]);
    expect(email.effects).toHaveLength(1);
    const audit = await on.reads.audit({ limit: 9 });
    expect(audit.items).toMatchObject([
      { by: "slack:U024BE7LH", deed: "action.approve", object: action, details: { hash } },
    ]);
    expect(answer.inputs).toMatchObject([
      {
        url: "https://hooks.slack.com/actions/T1/2/3",
        text: "Approved.",
        notice: { held: [{ action, buttons: null, state: "approved by slack:U024BE7LH" }] },
      },
    ]);
  });

  it("rejects", async () => {
    const { on, run, action, hash, email, answer } = await held();
    await on.until(await press(on, { action, hash, deed: "reject" }), "succeeded");
    await on.until(run, "rejected");
    expect(email.effects).toHaveLength(0);
    expect(answer.inputs).toMatchObject([
      { text: "Rejected.", notice: { held: [{ state: "rejected by slack:U024BE7LH" }] } },
    ]);
    expect((await on.reads.audit({ limit: 9 })).items).toMatchObject([
      { deed: "action.reject", reason: "rejected in Slack" },
    ]);
  });

  it("changes nothing with a stale hash, by a stranger, for an unknown action, or a second time, and says so", async () => {
    const { on, run, action, hash, email, answer } = await held();
    const said = async (pressing: Parameters<typeof press>[1]) => {
      await on.until(await press(on, pressing), "succeeded");
      const last = answer.inputs.at(-1);
      expect(last).toMatchObject({ notice: null });
      return last?.["text"];
    };
    expect(await said({ action, hash: "0".repeat(64) })).toMatch(/has changed since this notice was posted/);
    expect(await said({ action, hash, user: "U0STRANGER" })).toBe(
      "Nothing was changed: you (U0STRANGER) are not among those who may decide (reviews.slack.approvers).",
    );
    expect(await said({ action: "act_nobody", hash })).toMatch(/there is no such action any more/);
    expect((await on.reads.action(action))?.status).toBe("awaiting_review");
    expect((await on.reads.audit({ limit: 9 })).items).toEqual([]);
    await on.until(await press(on, { action, hash }), "succeeded");
    await on.until(run, "succeeded");
    expect(await said({ action, hash, deed: "reject" })).toBe(
      "Nothing was changed: it is no longer held (approved by slack:U024BE7LH).",
    );
    expect(email.effects).toHaveLength(1);
    expect((await on.reads.audit({ limit: 9 })).items).toHaveLength(1);
  });

  it("decides nothing where buttons are not set up, or when it comes by another source", async () => {
    for (const slack of [null, { source: "other", approvers: ["U024BE7LH"] }]) {
      const { on, action, hash, answer } = await held({}, { places: ["slack"], slack });
      await on.until(await press(on, { action, hash }), "succeeded");
      expect(answer.inputs.at(-1)?.["text"]).toMatch(/^Nothing was changed: .*reviews\.slack/);
      expect((await on.reads.action(action))?.status).toBe("awaiting_review");
    }
  });

  it("is an event like any other where the button is not ours", async () => {
    const { on, action, hash } = await held();
    const run = await press(on, { action, hash, id: "approve" });
    expect((await on.reads.run(run))?.run).toMatchObject({ agent: "churn-intervention", route: "all" });
  });
});
