/**
 * The real program is killed with SIGKILL at every step of reading a mailbox: at each request that it sends (the token,
 * each page of the feed, each message), and before and after each commit of its journal (the notification, the claim, the
 * messages with the cursor, the verdict). After each kill the cursor must not have passed a message that is not stored;
 * in the end every message is there, once.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { positionOf } from "../../src/sandbox/graph-mailbox.ts";
import { startGraph } from "../../src/sandbox/graph.ts";
import { startGoogle } from "../../src/sandbox/google.ts";
import { deliver, gmailPush } from "../../src/sandbox/senders.ts";
import type { Signed } from "../../src/sandbox/senders.ts";
import type { Stand } from "../../src/sandbox/stand.ts";
import { startProgram, temporaryFolder } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";
import { startRelay } from "../support/relay.ts";
import type { Relay } from "../support/relay.ts";

const preload = fileURLToPath(new URL("../support/kill-at-commit.mjs", import.meta.url));
/** Between two looks at a process whose end nothing tells us of. */
const moment = () => new Promise((resolve) => setTimeout(resolve, 50));
const now = () => systemClock.now();

type Kill = { readonly at: "request" | "before" | "after"; readonly number: number };

/** A mailbox at a vendor, and what its provider would send about it. */
interface Mailbox {
  readonly stand: Stand;
  readonly source: string;
  readonly env: Readonly<Record<string, string>>;
  /** New mail; gives its id. */
  receive(): string;
  /** What is sent about these mails. */
  notifications(ids: readonly string[], ingestUrl: string): { url: string; signed: Signed }[];
  /** The ids of the mails that lie before a cursor. */
  passed(cursor: string): string[];
  /** Makes the next call ask for a token. */
  expireTokens(): void;
}

const mail = { from: "ada@example.com", to: "support@example.com", subject: "Hello", text: "Hello" };

async function gmailBox(): Promise<Mailbox> {
  const google = await startGoogle({ now });
  google.limitPages(2);
  const audience = "http://signalbox.example/webhooks/mail";
  const email = "push@project.iam.gserviceaccount.com";
  return {
    stand: google,
    source: `{ type: gmail, account: support@example.com, audience: "${audience}", pushServiceAccount: ${email},
      credentials: "\${CREDENTIALS}", baseUrl: "${google.url}", topic: projects/p/topics/t }`,
    env: { CREDENTIALS: google.credentials() },
    receive: () => google.receive(mail).id,
    notifications: (_ids, ingestUrl) => [
      {
        url: `${ingestUrl}/webhooks/mail`,
        signed: gmailPush({ token: google.mintPushToken({ audience, email }), body: google.pushBody() }),
      },
    ],
    passed: (cursor) =>
      google.state.messages.filter(({ historyId }) => historyId <= Number(cursor)).map(({ id }) => id),
    expireTokens: () => google.expireTokens(),
  };
}

async function outlookBox(): Promise<Mailbox> {
  const graph = await startGraph({ now });
  graph.limitPages(2);
  return {
    stand: graph,
    source: `{ type: outlook, account: support@example.com, secrets: ["\${CLIENT_STATE}"],
      credentials: "\${CREDENTIALS}", baseUrl: "${graph.baseUrl}", tokenUrl: "${graph.tokenUrl}" }`,
    env: { CREDENTIALS: graph.credentials(), CLIENT_STATE: "chaos-client-state" },
    receive: () => graph.receive(mail).id,
    notifications: (ids) => graph.announce(ids),
    passed: (cursor) => graph.state.messages.slice(0, positionOf(cursor) ?? 0).map(({ id }) => id),
    expireTokens: () => graph.expireTokens(),
  };
}

describe("kill -9 at every step of an expansion", () => {
  let box: Mailbox | undefined;
  let relay: Relay | undefined;
  let program: RunningProgram | undefined;
  let place = { folder: "", remove: () => {} };
  beforeEach(() => {
    place = temporaryFolder();
  });
  afterEach(async () => {
    await program?.kill();
    await relay?.close();
    await box?.stand.close();
    program = undefined;
    place.remove();
  });

  /** Waits for a program that is starting: it is asked for before we know its port. */
  async function address(): Promise<string | null> {
    for (let look = 0; look < 200 && program === undefined; look += 1) await moment();
    return program?.ingestUrl ?? null;
  }

  const armed = () => join(place.folder, "kill-at-commit");
  const isDead = (): boolean => {
    try {
      process.kill(program?.pid ?? 0, 0);
      return false;
    } catch {
      return true;
    }
  };

  /** What the journal of a dead program holds. */
  async function stored(): Promise<{ ids: string[]; cursor: string | null }> {
    const { journal, reads, state } = openSqliteJournal({
      folder: join(place.folder, ".signalbox"),
      clock: systemClock,
    });
    try {
      const ids: string[] = [];
      for (let cursor: string | null = ""; cursor !== null;) {
        const page: Awaited<ReturnType<typeof reads.events>> = await reads.events({
          limit: 200,
          type: "message.received",
          ...(cursor === "" ? {} : { cursor }),
        });
        ids.push(...page.items.map((event) => event.providerId));
        cursor = page.next;
      }
      const kept = await state.get("cursor", "mail");
      return { ids, cursor: typeof kept?.value === "string" ? kept.value : null };
    } finally {
      await journal.close();
    }
  }

  /** True once every run is final. */
  async function isAtRest(): Promise<boolean> {
    const answer = await fetch(`${program?.adminUrl}/api/overview`, {
      headers: { Authorization: `Bearer ${program?.token}` },
    }).catch(() => null);
    if (!answer?.ok) return false;
    const { runs } = (await answer.json()) as { runs: Record<string, number> };
    return ["queued", "running", "waiting"].every((status) => runs[status] === 0);
  }

  it.each([
    ["Gmail", gmailBox],
    ["Outlook", outlookBox],
  ])(
    "loses no message of %s, stores none twice, and never moves the cursor past one",
    async (_, open) => {
      const mailbox = await open();
      box = mailbox;
      const front = await startRelay(address);
      relay = front;
      const start = async () => {
        program = await startProgram({
          folder: place.folder,
          config: `version: 1
server: { host: 127.0.0.1, port: 0, adminPort: 0, publicUrl: "${front.url}" }
sources:
  mail: ${mailbox.source}
`,
          env: {
            ...mailbox.env,
            NODE_OPTIONS: `--import ${preload}`,
            KILL_AT_COMMIT: armed(),
          },
        });
      };
      const received: string[] = [];

      /** Kills as asked while three mails are announced and read; false when it came to rest before that. */
      async function play(kill: Kill): Promise<boolean> {
        const ids = [mailbox.receive(), mailbox.receive(), mailbox.receive()];
        received.push(...ids);
        let requests = 0;
        let killed = false;
        if (kill.at === "request") {
          mailbox.stand.faults.stall({
            times: Number.POSITIVE_INFINITY,
            when: () => {
              requests += 1;
              if (requests !== kill.number) return false;
              process.kill(program?.pid ?? 0, "SIGKILL");
              return true;
            },
          });
        } else writeFileSync(armed(), `${kill.at} ${kill.number}`);
        mailbox.expireTokens();

        const revive = async () => {
          killed = true;
          mailbox.stand.faults.clear();
          rmSync(armed(), { force: true });
          const { ids: kept, cursor } = await stored();
          const passed = cursor === null ? [] : mailbox.passed(cursor);
          expect(passed.filter((id) => !kept.includes(id))).toEqual([]);
          expect(new Set(kept).size).toBe(kept.length);
          program = undefined;
          await start();
        };
        // As a provider does: what is not acknowledged is sent again.
        for (let told = false; !told;) {
          const answers = await Promise.all(
            mailbox
              .notifications(ids, program?.ingestUrl ?? "")
              .map(({ url, signed }) => deliver(url, signed).catch(() => null)),
          );
          told = answers.length > 0 && answers.every((answer) => answer !== null && answer.status < 300);
          if (isDead()) await revive();
          else if (!told) await moment();
        }
        for (let look = 0; look < 600 && !(await isAtRest()); look += 1) {
          if (isDead()) await revive();
          await moment();
        }
        if (isDead()) await revive();
        mailbox.stand.faults.clear();
        rmSync(armed(), { force: true });
        return killed;
      }

      await start();
      // Until it is subscribed, nothing is announced to it.
      await mailbox.stand.received(({ path }) => /\/(subscriptions|watch)$/.test(path));
      const kills = { request: 0, before: 0, after: 0 };
      for (const at of ["request", "before", "after"] as const) {
        for (let number = 1; await play({ at, number }); number += 1) kills[at] = number;
      }
      await program?.kill();
      const { ids, cursor } = await stored();
      expect(ids.toSorted()).toEqual(received.toSorted());
      expect(cursor === null ? [] : mailbox.passed(cursor).toSorted()).toEqual(received.toSorted());
      // A token, two pages and three messages; the notification, the claim, the messages and the verdict.
      expect(kills.request).toBeGreaterThanOrEqual(6);
      expect(kills.before).toBeGreaterThanOrEqual(4);
      expect(kills.after).toBeGreaterThanOrEqual(4);
    },
    300_000,
  );
});
