/** `signalbox send` and `trigger`: an event for the running service, signed as the source's provider would. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { SourceConfig } from "../config/schema.ts";
import { currentSecret } from "../config/secret-dates.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { exampleEvent, exampleNames } from "./example-events.ts";
import { Failure, usage } from "./failure.ts";
import { notRunning, readServerFile, urlOf } from "./service.ts";
import { readSettings } from "./settings.ts";
import { hasIdHeader, headerEvent, sign } from "./signers.ts";
import type { SignableSource } from "./signers.ts";

export interface SendOptions {
  readonly source: string;
  readonly event?: string;
  readonly id?: string;
  readonly url?: string;
}

export async function send(context: Context, file: string, options: SendOptions): Promise<void> {
  const source = await sourceNamed(context, options.source);
  if (options.id !== undefined && !hasIdHeader(source.config))
    throw usage(
      `--id does not fit a ${source.config.type} source`,
      "Its id is in the signed body: change it there.",
    );
  const body = readBody(context, file);
  const event = headerEvent(source.config, body, options.event);
  await deliver(context, source, body, { ...options, event });
}

export async function trigger(
  context: Context,
  name: string,
  options: { id?: string; url?: string },
): Promise<void> {
  const dot = name.indexOf(".");
  if (dot < 1)
    throw usage(`${name} is not SOURCE.EVENT`, "For example: signalbox trigger github.pull_request.opened");
  const source = await sourceNamed(context, name.slice(0, dot));
  const type = name.slice(dot + 1);
  const example = exampleEvent(source.config, type, systemClock.now(), options.id);
  if (!example) {
    const all = exampleNames(source.config.type).map((one) => `  ${source.name}.${one}`);
    throw usage(
      `there is no example of ${type} for ${source.name}`,
      `There are:\n${all.join("\n")}\nAnything else is sent with \`signalbox send FILE --source ${source.name}\`.`,
    );
  }
  await deliver(context, source, example.body, { ...options, event: example.event });
}

interface ActiveSource {
  readonly name: string;
  readonly config: SignableSource;
  readonly secret: string;
  /** Its address as its provider knows it. */
  readonly publicUrl: string;
}

async function sourceNamed(context: Context, name: string): Promise<ActiveSource> {
  const { config } = (await readSettings(context)).loaded;
  const source = config.sources[name];
  if (!source) {
    const names = Object.keys(config.sources).join(", ") || "none";
    throw usage(`there is no source ${name} in the configuration`, `There are: ${names}.`);
  }
  return { name, ...signable(name, source), publicUrl: `${config.server.publicUrl}/webhooks/${name}` };
}

function signable(name: string, source: SourceConfig): Pick<ActiveSource, "config" | "secret"> {
  if (source.type === "gmail" || source.type === "outlook") {
    throw new Failure(`a notification for ${name} can't be made here: it stands for a mail in the mailbox`, {
      hint: "Send a mail to the mailbox, or watch one come in with `signalbox demo`.",
    });
  }
  const now = systemClock.now();
  const secret = currentSecret(source.secrets.filter(canSign), now);
  if (secret === null && currentSecret(source.secrets, now) !== null) {
    throw new Failure(`an event for ${name} can't be signed here: only its sender holds the private key`, {
      hint: "Add a shared secret (whsec_…) of your own to the source's secrets, to test with.",
    });
  }
  if (secret === null) {
    throw new Failure(`the source ${name} is inactive: none of its secrets is set and unexpired`, {
      hint: "Set its secret in the environment, for the service and for this command.",
    });
  }
  return { config: source, secret };
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

interface Delivery {
  readonly event: string | null;
  readonly id?: string;
  readonly url?: string;
}

async function deliver(
  context: Context,
  source: ActiveSource,
  body: string,
  { event, id, url }: Delivery,
): Promise<void> {
  const { terminal } = context;
  const address = webhookUrl(context, source.name, url);
  const signed = sign(source.config, { ...source, body, event, id, now: systemClock.now() });
  let answer: Response;
  try {
    answer = await fetch(address, { method: "POST", headers: signed.headers, body: signed.body });
  } catch (error) {
    throw new Failure(`nothing takes webhooks at ${address}`, {
      hint: "Start the service with `signalbox start`, or name its webhook port with --url.",
      cause: error,
    });
  }
  await report(terminal, answer);
}

function webhookUrl(context: Context, source: string, url: string | undefined): string {
  const file = url === undefined ? readServerFile(context) : null;
  if (url === undefined && file === null) throw notRunning(context);
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

async function report(terminal: Context["terminal"], response: Response): Promise<void> {
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
  if (answer.event) terminal.note(`Follow it: signalbox explain ${answer.event}`);
}
