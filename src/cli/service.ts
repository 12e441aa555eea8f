/** The running service as the CLI sees it: its addresses, and its admin API over HTTP. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type {
  actionRow,
  auditRow,
  breakerRow,
  eventDetail,
  eventRow,
  pauseRow,
  replayRow,
  runDetail,
  processRow,
  runRow,
  sourceRow,
  verificationView,
} from "../http/admin-views.ts";
import { readServerFile as serverFileIn } from "../data-folder.ts";
import type { ServerFile } from "../data-folder.ts";
import { version } from "../package.ts";
import type { Context } from "./context.ts";
import { Failure, usage } from "./failure.ts";

export type EventRow = ReturnType<typeof eventRow>;
export type EventDetail = ReturnType<typeof eventDetail>;
export type RunRow = ReturnType<typeof runRow>;
export type RunDetail = ReturnType<typeof runDetail>;
export type AttemptRow = RunDetail["history"][number];
export type AuditRow = ReturnType<typeof auditRow>;
export type ReplayRow = ReturnType<typeof replayRow>;
export type ActionRow = ReturnType<typeof actionRow>;
export type PauseRow = ReturnType<typeof pauseRow>;
export type BreakerRow = ReturnType<typeof breakerRow>;
export type VerificationView = ReturnType<typeof verificationView>;
export type SourceRow = ReturnType<typeof sourceRow>;
export type ProcessView = ReturnType<typeof processRow>;
export interface List<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
export interface Change {
  readonly kind: string;
  readonly row: unknown;
}

export interface Service {
  readonly url: string;
  /** A path below the admin port, with query. Throws a Failure that says what to do. */
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body: object): Promise<T>;
  delete<T>(path: string): Promise<T>;
  /** Changes as they happen, until the connection ends. Throws a Failure. `onOpen` once nothing can be missed. */
  changes(signal: AbortSignal, onOpen: () => void): AsyncGenerator<Change>;
}

export const dataFolder = ({ cwd, environment }: Context): string => resolve(cwd, environment.dataDir);

/** What a running service wrote into its data folder; null when none runs there, or it died without a word. */
export const readServerFile = (context: Context): ServerFile | null => serverFileIn(dataFolder(context));

/** A service that listens on all addresses is reached on this one. */
export function urlOf(host: string, port: number): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

export const notRunning = (context: Context): Failure =>
  new Failure(`no service runs on the data folder ${dataFolder(context)}`, {
    hint: "Start it with `signalbox start`, or name the one you mean with SIGNALBOX_DATA_DIR or --url.",
  });

/** `url`: from `--url`, for a service elsewhere. Makes no request yet. */
export function connect(context: Context, url?: string): Service {
  if (url !== undefined && !/^https?:\/\//.test(url)) {
    throw usage(`--url ${url} is no address`, "It looks like http://127.0.0.1:8090.");
  }
  const file = url === undefined ? readServerFile(context) : null;
  if (url === undefined && file === null) throw notRunning(context);
  const base = new URL(url ?? urlOf(file?.adminHost ?? "", file?.adminPort ?? 0)).href.replace(/\/+$/, "");
  const token = tokenFor(context, base, url !== undefined);
  const call = caller(base, token, context);
  return {
    url: base,
    get: async <T>(path: string) => (await (await call(path, {})).json()) as T,
    post: async <T>(path: string, body: object) =>
      (await (
        await call(path, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        })
      ).json()) as T,
    delete: async <T>(path: string) => (await (await call(path, { method: "DELETE" })).json()) as T,
    async *changes(signal, onOpen) {
      const answer = await call("/api/stream", { signal });
      onOpen();
      if (answer.body) yield* serverSentEvents(answer.body);
    },
  };
}

/** The token in the data folder opens the service of this folder, and is never sent to another computer. */
function tokenFor(context: Context, base: string, remote: boolean): string {
  const { adminToken } = context.environment;
  if (adminToken !== null) return adminToken;
  const { hostname } = new URL(base);
  const own = !remote || hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
  const token = own ? readIfThere(join(dataFolder(context), "admin-token"))?.trim() : undefined;
  if (token) return token;
  throw new Failure(`there is no token for ${base}`, {
    hint: "Set SIGNALBOX_ADMIN_TOKEN to the admin token of that service.",
  });
}

function caller(base: string, token: string, context: Context) {
  return async (path: string, init: RequestInit): Promise<Response> => {
    const headers = {
      ...(init.headers as Record<string, string>),
      Authorization: `Bearer ${token}`,
      "User-Agent": `signalbox-cli/${version}`,
    };
    let answer: Response;
    try {
      answer = await fetch(base + path, { ...init, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      if (codeOf(error) === "ECONNREFUSED") throw notAnswering(base, context, error);
      throw new Failure(`${base} does not answer (${codeOf(error)})`, {
        hint: "Is this the address of the admin port?",
        cause: error,
      });
    }
    if (answer.ok) return answer;
    throw await refusal(base, path, answer);
  };
}

const notAnswering = (base: string, context: Context, cause: unknown): Failure =>
  new Failure(`nothing listens at ${base}`, {
    hint:
      readServerFile(context) === null
        ? "Start the service with `signalbox start`."
        : "The service ended without a word; start it again with `signalbox start`. Nothing is lost.",
    cause,
  });

const codeOf = (error: unknown): string => {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error && "code" in cause ? String(cause.code) : "no connection";
};

async function refusal(base: string, path: string, answer: Response): Promise<Failure> {
  const body: unknown = await answer.json().catch(() => null);
  const error = (body as { error?: { message?: unknown } } | null)?.error;
  const message = typeof error?.message === "string" ? error.message : null;
  switch (answer.status) {
    case 400:
      return usage(sentence(message ?? `${base} does not understand the request`));
    case 401:
      return new Failure(`${base} does not accept the token`, {
        hint: "Set SIGNALBOX_ADMIN_TOKEN to the token that the service was started with.",
      });
    case 409:
      return new Failure(
        sentence(message ?? "it changed in the meantime"),
        path.startsWith("/api/actions/") ? { hint: "Look at it again: `signalbox review list`." } : {},
      );
    default:
      return new Failure(sentence(message ?? `${base} answers with status ${answer.status}`));
  }
}

const sentence = (text: string): string => text.trim().replace(/\.$/, "");

/** https://html.spec.whatwg.org/multipage/server-sent-events.html, of which our own feed uses `event` and `data`. */
async function* serverSentEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<Change> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const field = (name: string) =>
        block
          .split("\n")
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2);
      const kind = field("event");
      const data = field("data");
      if (kind !== undefined && data !== undefined) yield { kind, row: JSON.parse(data) as unknown };
    }
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}
