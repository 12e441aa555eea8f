/** `signalbox send` and `trigger`: an event for the running service, signed as the source's provider would. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { SourceConfig } from "../config/schema.ts";
import { currentSecret } from "../config/secret-dates.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Signed } from "../sandbox/senders.ts";
import type { Context } from "./context.ts";
import { exampleEvent, exampleNames } from "./example-events.ts";
import { demoContext } from "./demo-door.ts";
import { Failure, usage } from "./failure.ts";
import { isMailbox, mailboxExample, mailboxExamples, mailboxNotification } from "./mailbox.ts";
import type { Mailbox, MailboxSource } from "./mailbox.ts";
import { connect, notRunning, readServerFile, urlOf } from "./service.ts";
import type { List, SourceRow } from "./service.ts";
import { readSettings } from "./settings.ts";
import { hasIdHeader, headerEvent, sign } from "./signers.ts";
import type { Outgoing, SignableSource } from "./signers.ts";

export interface SendOptions {
  readonly source: string;
  readonly event?: string;
  readonly id?: string;
  readonly url?: string;
}

export async function send(context: Context, file: string, options: SendOptions): Promise<void> {
  const target = await targetNamed(context, options.source, options.url);
  const { config } = target;
  if (options.id !== undefined && (isMailbox(config) || !hasIdHeader(config)))
    throw usage(
      `--id does not fit a ${config.type} source`,
      "Its id is in the signed body: change it there.",
    );
  const body = readBody(context, file);
  if (isMailbox(config)) {
    await deliver(target, await mailboxNotification(mailboxOf(target, config), body));
    return;
  }
  const event = headerEvent(config, body, options.event);
  await deliver(target, signedEvent(target, config, { body, event, id: options.id }));
}

export async function trigger(
  context: Context,
  name: string,
  options: { id?: string; url?: string },
): Promise<void> {
  const dot = name.indexOf(".");
  if (dot < 1)
    throw usage(`${name} is not SOURCE.EVENT`, "For example: signalbox trigger github.pull_request.opened");
  const target = await targetNamed(context, name.slice(0, dot), options.url);
  const type = name.slice(dot + 1);
  const { config } = target;
  if (isMailbox(config)) {
    if (!mailboxExamples(config).includes(type)) throw noExample(target, type, mailboxExamples(config));
    if (options.id !== undefined) throw usage("--id does not fit a mail", "The mailbox gives it its id.");
    await deliver(target, await mailboxExample(mailboxOf(target, config), type));
    context.terminal.note(
      `The mailbox is read now; what is new in it comes in as message.received of ${target.name}.`,
    );
    return;
  }
  const example = exampleEvent(config, type, systemClock.now(), options.id);
  if (!example) throw noExample(target, type, exampleNames(config.type));
  await deliver(target, signedEvent(target, config, { ...example, id: options.id }));
}

function noExample({ name }: Target, type: string, names: readonly string[]): Failure {
  const all = names.map((one) => `  ${name}.${one}`);
  return usage(
    `there is no example of ${type} for ${name}`,
    `There are:\n${all.join("\n")}\nAnything else is sent with \`signalbox send FILE --source ${name}\`.`,
  );
}

/** What an event is for: a source, of the service of this folder or of the demo that runs in its place. */
interface Target {
  /** As the command was called, or as the demo was set up. */
  readonly context: Context;
  readonly isDemo: boolean;
  readonly name: string;
  readonly config: SourceConfig;
  /** Its address as its provider knows it. */
  readonly publicUrl: string;
  /** From `--url`. */
  readonly url: string | undefined;
}

async function targetNamed(called: Context, name: string, url: string | undefined): Promise<Target> {
  const demo = url === undefined && readServerFile(called) === null ? demoContext(called) : null;
  const context = demo ?? called;
  if (demo) called.terminal.note("No service runs here; this goes to the demo that does.");
  const { config } = (await readSettings(context)).loaded;
  const source = config.sources[name];
  if (!source) {
    const names = Object.keys(config.sources).join(", ") || "none";
    throw usage(`there is no source ${name} in the configuration`, `There are: ${names}.`);
  }
  const publicUrl = `${config.server.publicUrl}/webhooks/${name}`;
  return { context, isDemo: demo !== null, name, config: source, publicUrl, url };
}

const mailboxOf = <S extends MailboxSource>({ name, context, url }: Target, config: S): Mailbox<S> => ({
  name,
  config,
  subscription: async () => {
    if (url !== undefined) return null;
    const { items } = await connect(context).get<List<SourceRow>>("/api/sources");
    return items.find((row) => row.name === name)?.watch?.id ?? null;
  },
});

function signedEvent(
  { name, publicUrl }: Target,
  source: SignableSource,
  event: Pick<Outgoing, "body" | "event" | "id">,
): Signed {
  const now = systemClock.now();
  return sign(source, { ...event, secret: secretOf(name, source, now), now, publicUrl });
}

function secretOf(name: string, source: SignableSource, now: number): string {
  const secret = currentSecret(source.secrets.filter(canSign), now);
  if (secret !== null) return secret;
  if (currentSecret(source.secrets, now) !== null) {
    throw new Failure(`an event for ${name} can't be signed here: only its sender holds the private key`, {
      hint: "Add a shared secret (whsec_…) of your own to the source's secrets, to test with.",
    });
  }
  throw new Failure(`the source ${name} is inactive: none of its secrets is set and unexpired`, {
    hint: "Set its secret in the environment, for the service and for this command.",
  });
}

/** A public key only verifies. */
const canSign = (entry: string | { readonly value: string }): boolean =>
  !(typeof entry === "string" ? entry : entry.value).startsWith("whpk_");

function readBody(context: Context, file: string): string {
  const bytes = readBytes(context, file);
  const text = bytes.toString("utf8");
  // Anything else would be another body by the time that it is signed.
  if (Buffer.from(text).equals(bytes)) return text;
  throw usage(`${file} is not UTF-8`, "Webhooks are JSON, which is.");
}

function readBytes({ cwd }: Context, file: string): Buffer {
  try {
    return readFileSync(file === "-" ? 0 : resolve(cwd, file));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    const why =
      code === "ENOENT" ? "does not exist" : code === "EISDIR" ? "is a folder" : `can't be read (${code})`;
    throw usage(`${file} ${why}`, "FILE holds the request's body, byte for byte; - reads it from stdin.");
  }
}

async function deliver(target: Target, signed: Signed): Promise<void> {
  const { context, name, url } = target;
  const address = webhookUrl(context, name, url);
  let answer: Response;
  try {
    answer = await fetch(address, { method: "POST", headers: signed.headers, body: signed.body });
  } catch (error) {
    throw new Failure(`nothing takes webhooks at ${address}`, {
      hint: "Start the service with `signalbox start`, or name its webhook port with --url.",
      cause: error,
    });
  }
  await report(target, answer);
}

function webhookUrl(context: Context, source: string, url: string | undefined): string {
  const file = url === undefined ? readServerFile(context) : null;
  if (url === undefined && file === null) throw notRunning(context);
  if (file !== null && file.port === null)
    throw new Failure("the processes on this data folder receive no webhooks", {
      hint: "Name the webhook port of one that does with --url, such as http://10.0.0.7:8080.",
    });
  const base = url ?? urlOf(file?.host ?? "", file?.port ?? 0);
  if (!URL.canParse(base)) throw usage(`--url ${base} is no address`, "It looks like http://127.0.0.1:8080.");
  const { pathname } = new URL(base);
  return pathname === "/" ? new URL(`/webhooks/${source}`, base).href : base;
}

interface Answer {
  readonly status?: string;
  readonly event?: string;
  readonly runs?: number;
  readonly error?: { readonly code: string; readonly message: string };
}

async function report({ context, isDemo }: Target, response: Response): Promise<void> {
  const { terminal, environment } = context;
  const { status } = response;
  let text = await response.text();
  // What the provider of a handshake wants to read: its own words back.
  if (response.ok && text !== "" && response.headers.get("content-type")?.startsWith("text/plain")) {
    if (terminal.json) terminal.printJson({ status: "answered", text });
    else terminal.print(`${terminal.paint.yellow("answered")}  ${text}`);
    return;
  }
  let answer: Answer = {};
  // What the provider wants to read after a submitted dialog.
  if (response.ok && text === "") text = "{}";
  try {
    answer = JSON.parse(text) as Answer;
  } catch {
    throw new Failure(`the answer is no JSON (status ${status})`, { hint: "Is this the webhook port?" });
  }
  if (!response.ok) {
    if (terminal.json) terminal.printJson(answer);
    throw new Failure(`refused with ${status} ${answer.error?.code ?? ""}: ${answer.error?.message ?? text}`);
  }
  if (terminal.json) {
    terminal.printJson(answer);
    return;
  }
  const { paint } = terminal;
  const runs = answer.runs === 1 ? "1 run" : `${answer.runs ?? 0} runs`;
  const outcome = answer.status ?? "answered";
  terminal.print(
    `${outcome === "accepted" ? paint.green(outcome) : paint.yellow(outcome)}  ${answer.event ?? ""}  ${runs}`,
  );
  const folder = isDemo ? `SIGNALBOX_DATA_DIR=${environment.dataDir} ` : "";
  if (answer.event) terminal.note(`Follow it: ${folder}signalbox explain ${answer.event}`);
}
