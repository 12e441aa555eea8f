/**
 * Notifications of a mailbox, made here. Google signs its pushes, and nobody else can: one is had only where the key set
 * that the service checks them against is that of a stand-in on this computer. Graph's carry a secret of ours, so they can
 * be made for any mailbox. Both announce a mail, and to put one into the mailbox takes a stand-in as well.
 */
import { randomBytes } from "node:crypto";
import type { SourceConfig } from "../config/schema.ts";
import { currentSecret } from "../config/secret-dates.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Mail } from "../sandbox/gmail-messages.ts";
import { scenario } from "../sandbox/scenario.ts";
import { gmailPush, graphNotification } from "../sandbox/senders.ts";
import type { Signed } from "../sandbox/senders.ts";
import { Failure, usage } from "./failure.ts";

type GmailSource = Extract<SourceConfig, { type: "gmail" }>;
type OutlookSource = Extract<SourceConfig, { type: "outlook" }>;
export type MailboxSource = GmailSource | OutlookSource;

export const isMailbox = (source: SourceConfig): source is MailboxSource =>
  source.type === "gmail" || source.type === "outlook";

export interface Mailbox<S extends MailboxSource = MailboxSource> {
  readonly name: string;
  readonly config: S;
  /** The id of the subscription that the service holds; null when it holds none, or nobody can be asked. */
  readonly subscription: () => Promise<string | null>;
}

/** The examples of `trigger`, by event type. */
export const mailboxExamples = ({ type }: MailboxSource): readonly string[] =>
  type === "outlook" ? ["message.received", "created"] : ["message.received"];

/** Makes what announces the example, after a mail was put into the mailbox for `message.received`. Throws a Failure. */
export async function mailboxExample(mailbox: Mailbox, event: string): Promise<Signed> {
  if (isOutlook(mailbox)) return event === "created" ? graphNotice(mailbox) : graphMail(mailbox);
  return gmailMail(mailbox as Mailbox<GmailSource>);
}

/** A notification that a file holds. Throws a Failure. */
export async function mailboxNotification(mailbox: Mailbox, body: string): Promise<Signed> {
  if (!isOutlook(mailbox)) return pushOf(mailbox as Mailbox<GmailSource>, body);
  const items = itemsIn(body);
  const subscriptionId = await mailbox.subscription();
  return notificationOf(
    mailbox,
    items.map((item) => (subscriptionId === null ? item : { ...item, subscriptionId })),
  );
}

const isOutlook = (mailbox: Mailbox): mailbox is Mailbox<OutlookSource> => mailbox.config.type === "outlook";

// ── Gmail ────────────────────────────────────────────────────────────────────────────────────────────────────────

async function gmailMail(mailbox: Mailbox<GmailSource>): Promise<Signed> {
  const { account, baseUrl } = mailbox.config;
  if (keyHolder(mailbox.config) === null) throw unsignable(mailbox);
  const stand = standAt(baseUrl);
  if (stand === null) throw realMailbox(mailbox, "gmail.googleapis.com");
  await ask(mailbox, `${stand}/sandbox/mail`, { mail: exampleMail(account) });
  return pushOf(mailbox, undefined);
}

/** A body of undefined announces the newest change of the stand-in's mailbox. */
async function pushOf(mailbox: Mailbox<GmailSource>, body: string | undefined): Promise<Signed> {
  const { audience, pushServiceAccount: email } = mailbox.config;
  const stand = keyHolder(mailbox.config);
  if (stand === null) throw unsignable(mailbox);
  const answer = await ask<{ token: string; body: string }>(mailbox, `${stand}/sandbox/push`, {
    audience,
    email,
  });
  return gmailPush({ token: answer.token, body: body ?? answer.body });
}

/** The stand-in whose keys the service trusts; null when they are Google's own, or those of another host. */
const keyHolder = ({ keySetUrl, baseUrl }: GmailSource): string | null => standAt(keySetUrl || baseUrl);

const unsignable = ({ name, config }: Mailbox<GmailSource>): Failure =>
  new Failure(`a push for ${name} can't be made here: only Google can sign one that the service accepts`, {
    hint:
      `Mail ${config.account}, and see it come in with \`signalbox events tail\`. Or start \`signalbox demo\`, ` +
      "whose mailbox and keys are stand-ins: while it runs and no service does, this command goes to it.",
  });

// ── Outlook ──────────────────────────────────────────────────────────────────────────────────────────────────────

async function graphMail(mailbox: Mailbox<OutlookSource>): Promise<Signed> {
  const stand = standAt(mailbox.config.baseUrl);
  if (stand === null) throw realMailbox(mailbox, "graph.microsoft.com");
  const { item } = await ask<{ item: object }>(mailbox, `${stand}/sandbox/mail`, {
    mail: exampleMail(mailbox.config.account),
  });
  return notificationOf(mailbox, [await withSubscription(mailbox, item)]);
}

/** Announces a message that is not there: the service reads the mailbox, and finds what there is. */
async function graphNotice(mailbox: Mailbox<OutlookSource>): Promise<Signed> {
  const id = randomBytes(24).toString("base64url");
  const resource = `Users/${encodeURIComponent(mailbox.config.account)}/Messages/${id}`;
  const item = {
    changeType: "created",
    resource,
    resourceData: { "@odata.type": "#Microsoft.Graph.Message", "@odata.id": resource, id },
  };
  return notificationOf(mailbox, [await withSubscription(mailbox, item)]);
}

async function withSubscription({ subscription }: Mailbox, item: object): Promise<object> {
  const subscriptionId = await subscription();
  return subscriptionId === null ? item : { ...item, subscriptionId };
}

function notificationOf({ name, config }: Mailbox<OutlookSource>, items: readonly object[]): Signed {
  const clientState = currentSecret(config.secrets, systemClock.now());
  if (clientState !== null) return graphNotification({ clientState, items });
  throw new Failure(`the source ${name} is inactive: none of its secrets is set and unexpired`, {
    hint: "Set its secret in the environment, for the service and for this command.",
  });
}

function itemsIn(body: string): readonly object[] {
  try {
    const { value } = JSON.parse(body) as { value?: unknown };
    if (Array.isArray(value) && value.every((item) => item !== null && typeof item === "object"))
      return value as object[];
  } catch {
    // Said below, for both.
  }
  throw usage("the body lists no notifications", 'Graph sends {"value": [{"changeType": "created", …}]}.');
}

// ── Stand-ins ────────────────────────────────────────────────────────────────────────────────────────────────────

/** A mail of its own each time: the mailbox gives it its id. */
function exampleMail(account: string): Mail {
  const [seed] = scenario.mails;
  if (!seed) throw new Error("the installation is incomplete: there is no example mail");
  const { from, subject, text } = seed;
  return { from, to: account, subject, text };
}

const realMailbox = ({ name, config }: Mailbox, host: string): Failure =>
  new Failure(`no example mail can be put into ${name}: it is the real mailbox, at ${host}`, {
    hint:
      `Mail ${config.account} yourself.` +
      (config.type === "outlook"
        ? ` \`signalbox trigger ${name}.created\` has the service read it now.`
        : ""),
  });

/** The server of an address on this computer; null for any other, and for none. */
function standAt(address: string | undefined): string | null {
  if (!address || !URL.canParse(address)) return null;
  const { hostname, origin } = new URL(address);
  return hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.") ? origin : null;
}

async function ask<T>({ name }: Mailbox, url: string, body: object): Promise<T> {
  const failed = (why: string, cause?: unknown) =>
    new Failure(`the stand-in for the mailbox of ${name}, at ${new URL(url).origin}, ${why}`, {
      hint: "It has to be Signalbox's own, such as the one of `signalbox demo`, and to be running.",
      cause,
    });
  let answer: Response;
  try {
    const headers = { "Content-Type": "application/json" };
    answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  } catch (error) {
    throw failed("does not answer", error);
  }
  if (!answer.ok) throw failed(`answers with status ${answer.status}`);
  return (await answer.json()) as T;
}
