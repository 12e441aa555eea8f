import { afterAll, beforeAll, expect, test } from "vitest";
import type { SlackSandbox } from "../../src/sandbox/slack.ts";
import { startSlack } from "../../src/sandbox/slack.ts";
import { deliver, signCustom } from "../../src/sandbox/senders.ts";
import type { ZendeskSandbox } from "../../src/sandbox/zendesk.ts";
import { startZendesk } from "../../src/sandbox/zendesk.ts";
import { startProgram } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";

const config = `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0, adminUrl: "https://signalbox.acme.example" }
sources:
  desk: { type: custom, secrets: ["\${DESK_SECRET}"], typeField: type }
  chat: { type: slack, secrets: ["\${SLACK_SIGNING_SECRET}"] }
routes: [{ name: mail, source: desk, events: [message.received], agent: email-triage, mode: review }]
destinations:
  slack: { token: "\${SLACK_BOT_TOKEN}", channel: "#signalbox", baseUrl: "\${SLACK_API_URL}" }
  zendesk: { subdomain: acme, email: a@acme.example, token: "\${ZENDESK_TOKEN}", baseUrl: "\${ZENDESK_API_URL}" }
breakers: { failures: 2, openFor: 1s }
reviews: { slack: { source: chat, approvers: [U024BE7LH] } }
`;
const secret = "slack-signing-secret";

let slack: SlackSandbox;
let zendesk: ZendeskSandbox;
let program: RunningProgram;
let env: Record<string, string>;
beforeAll(async () => {
  [slack, zendesk] = await Promise.all([startSlack({ now: Date.now }), startZendesk({ now: Date.now })]);
  env = {
    DESK_SECRET: "desk-secret",
    SLACK_SIGNING_SECRET: secret,
    SLACK_BOT_TOKEN: "xoxb-1-story",
    SLACK_API_URL: slack.url,
    ZENDESK_TOKEN: "zendesk-token",
    ZENDESK_API_URL: zendesk.url,
  };
  program = await startProgram({ config, env });
});
afterAll(async () => {
  await program.kill();
  program.remove();
  await Promise.all([slack.close(), zendesk.close()]);
});

const api = async <T>(path: string): Promise<T> =>
  (await (
    await fetch(`${program.adminUrl}${path}`, { headers: { authorization: `Bearer ${program.token}` } })
  ).json()) as T;
/** Killed as nothing can prepare for, and started again on the same folder; to die by itself at a moment of `plan`. */
const killed = async (plan?: string): Promise<void> => {
  await program.kill();
  const armed = plan === undefined ? env : { ...env, SIGNALBOX_FAIL_POINTS: plan };
  program = await startProgram({ config, env: armed, folder: program.folder });
};
const patience = { timeout: 60_000, interval: 100 };
const press = (button: string, user: string, value?: string) =>
  slack.press({
    button,
    user,
    url: `${program.ingestUrl}/webhooks/chat`,
    secret,
    ...(value === undefined ? {} : { value }),
  });
const answers = () =>
  slack.state.answers.map(({ text, ephemeral }) => `${ephemeral ? "to one" : "to all"}: ${text}`);

test("what is held is told of in Slack once, and decided there once, whatever is killed in between", async () => {
  // Slack is away, and the process dies with the notice still to be posted.
  slack.faults.down();
  const payload = {
    type: "message.received",
    id: "m1",
    messageId: "<m1@mail.example>",
    from: { name: "<!channel> Robin", address: "robin@stranger.example" },
    subject: "Win at https://evil.example <!here>",
    snippet: "The export fails. https://evil.example",
  };
  const timestamp = Math.floor(Date.now() / 1_000);
  const { json } = await deliver(
    `${program.ingestUrl}/webhooks/desk`,
    signCustom({ secret: "desk-secret", payload, timestamp, id: "m1" }),
  );
  const { event } = json as { event: string };
  const runs = async (agent: string) =>
    (
      await api<{ items: { id: string; status: string; agent: string; about: string | null }[] }>(
        `/api/runs?agent=${agent}`,
      )
    ).items;
  await expect.poll(async () => (await runs("review-notice"))[0]?.status, patience).toBe("waiting");
  expect((await runs("email-triage"))[0]?.status).toBe("awaiting_review");
  // Then it dies with the notice posted, and does not know that it was.
  await killed("action.requested=kill");
  slack.faults.up();
  await program.ended;
  expect(slack.state.messages).toHaveLength(1);
  await killed();
  await expect.poll(async () => (await runs("review-notice"))[0]?.status, patience).toBe("succeeded");

  const [message] = slack.state.messages;
  const [run] = await runs("email-triage");
  const shown = JSON.stringify(message);
  expect(shown).toContain(`<https://signalbox.acme.example/#/runs/${run?.id ?? ""}|Open the review>`);
  expect(shown).toContain("1 action of email-triage waits for a person");
  expect(shown).not.toMatch(/evil|stranger|Robin|<!/);

  // A stranger, and a button that was forged: nothing changes, and both are told.
  expect((await press("Approve", "U0STRANGER")).status).toBe(200);
  expect((await press("Reject", "U024BE7LH", `act_forged ${"0".repeat(64)}`)).status).toBe(200);
  await expect.poll(answers, patience).toHaveLength(2);
  // An answer that nobody knows of is given again when its process dies.
  const presses = async () => (await runs("review-press")).map(({ status }) => status);
  await expect.poll(presses, patience).toEqual(["succeeded", "succeeded"]);
  expect(answers().join("\n")).toMatch(/^to one: Nothing was changed: (you|there is)/);
  expect(zendesk.state.tickets).toHaveLength(0);

  // The press is stored before Slack is told so. Then it dies with the approval stored, and neither who gave it in the
  // audit nor the answer.
  await killed("review.decided=kill");
  expect((await press("Approve", "U024BE7LH")).json).toMatchObject({ status: "accepted", runs: 1 });
  await program.ended;
  await killed();
  await expect.poll(async () => (await runs("email-triage"))[0]?.status, patience).toBe("succeeded");
  await expect.poll(answers, patience).toHaveLength(3);
  expect(answers()[2]).toMatch(/^to all: Decided: what email-triage wanted to do/);
  expect(JSON.stringify(message)).toContain("approved by <@U024BE7LH>");
  expect(JSON.stringify(message)).not.toContain("signalbox.approve");

  // Somebody whose Slack had not caught up presses as well.
  const action = (
    await api<{ actions: { id: string; hash: string; reviewedBy: string }[] }>(`/api/runs/${run?.id ?? ""}`)
  ).actions[0];
  expect(action?.reviewedBy).toBe("slack:U024BE7LH");
  if (message) {
    message.blocks = [
      {
        type: "actions",
        block_id: "late",
        elements: [
          {
            type: "button",
            action_id: "signalbox.reject",
            text: { type: "plain_text", text: "Reject" },
            value: `${action?.id ?? ""} ${action?.hash ?? ""}`,
          },
        ],
      },
    ];
  }
  await press("Reject", "U024BE7LH");
  await expect.poll(answers, patience).toHaveLength(4);
  expect(answers()[3]).toBe(
    "to one: Nothing was changed: it is no longer held (approved by slack:U024BE7LH).",
  );

  expect(zendesk.state.tickets).toHaveLength(1);
  expect(slack.state.effects).toHaveLength(1);
  const audit = await api<{ items: { by: string; deed: string; object: string }[] }>(
    "/api/audit?deed=action.approve",
  );
  expect(audit.items).toMatchObject([{ by: "slack:U024BE7LH", object: action?.id }]);
  // Nothing of it starts again with a replay.
  const pressed = (await api<{ items: { id: string }[] }>("/api/events?source=chat")).items;
  const { stdout } = await program.cli("replay", pressed[0]?.id ?? "", "--json");
  expect(stdout).not.toContain("review-press");
  expect((await api<{ runs: { agent: string }[] }>(`/api/events/${event}`)).runs).toHaveLength(1);
});
