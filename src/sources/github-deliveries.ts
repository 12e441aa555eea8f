/**
 * GitHub's record of its deliveries, kept for about three days. GitHub never repeats a failed one by itself:
 * https://docs.github.com/webhooks/using-webhooks/handling-failed-webhook-deliveries
 *
 *   list, newest first, back to the healed point ──▶ deliveries of which no attempt was answered 2xx, oldest first
 *     ──▶ each read with the body that was sent ──▶ given, some at a time
 *               └── GitHub keeps no body of it ──▶ asked to be sent again, to the ordinary door
 *
 * The list can't be narrowed to failures: `status=failure` means 400 to 599, and a connection that failed has no status.
 */
import { createPrivateKey, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { ServiceError } from "../domain/errors.ts";
import { isObject } from "../domain/json.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { Healed, HealedItem, HealRequest } from "../domain/source.ts";
import type { Log } from "../observability/log.ts";
import type { Clock } from "../resilience/clock.ts";
import { isId, objectAt, timeOf } from "./payload.ts";
import { readRecord } from "./provider-record.ts";
import type { RecordAnswer } from "./provider-record.ts";

/** An App's own webhook (`appId`, `privateKey`), or a repository's or organisation's (`token`, `hook`). */
export interface GithubHealing {
  readonly appId?: string | undefined;
  /** PEM. */
  readonly privateKey?: string | undefined;
  readonly token?: string | undefined;
  /** `owner/repository/hooks/ID` or `organisation/hooks/ID`. */
  readonly hook?: string | undefined;
  readonly baseUrl?: string | undefined;
}

interface Parts {
  readonly source: string;
  readonly healing: GithubHealing;
  readonly clock: Clock;
  readonly log: Log;
  /** As a request with these headers and this body would be read; nothing when it can't be. */
  read(headers: Readonly<Record<string, string>>, body: Buffer): HealedItem[];
}

/** Whether its credentials are set. */
export const canHeal = ({ appId, privateKey, token, hook }: GithubHealing): boolean =>
  Boolean((appId && privateKey) || (token && hook));

const pageSize = 100;
/** Three days of 30,000 deliveries an hour are more than GitHub lets one App list in an hour. */
const mostPages = 1_000;
const readAtOnce = 25;

export function githubDeliveries(parts: Parts): (request: HealRequest) => AsyncIterable<Healed> {
  return (request) => failures(parts, request);
}

async function* failures(parts: Parts, request: HealRequest): AsyncGenerator<Healed> {
  const api = apiOf(parts, request.signal);
  const listedAt = parts.clock.now();
  // The record may hold whole seconds only.
  const failed = await listFailed(parts, api, Math.floor(request.since / 1_000) * 1_000);
  for (let at = 0; at < failed.length; at += readAtOnce) {
    const items: HealedItem[] = [];
    for (const delivery of failed.slice(at, at + readAtOnce)) {
      items.push(...(await readDelivery(parts, api, delivery)));
    }
    yield { items, until: failed[at + readAtOnce]?.at ?? listedAt };
  }
  if (failed.length === 0) yield { items: [], until: listedAt };
}

interface Attempt {
  readonly id: string;
  readonly guid: string;
  readonly at: number;
  readonly delivered: boolean;
}

/** Deliveries that no attempt got through, by their first attempt since then, oldest first. */
async function listFailed({ source, log }: Parts, api: Api, since: number): Promise<Attempt[]> {
  const failed = new Map<string, Attempt>();
  const delivered = new Set<string>();
  let query: string | null = `?per_page=${pageSize}`;
  for (let pages = 0; query !== null; pages += 1) {
    if (pages === mostPages) {
      log.error({ source, pages }, "github: more deliveries than can be listed; the oldest are not healed");
      break;
    }
    const answer: RecordAnswer = await api("GET", query);
    const attempts = attemptsIn(answer.json);
    for (const attempt of attempts) {
      if (attempt.delivered) delivered.add(attempt.guid);
      else if (attempt.at >= since) failed.set(attempt.guid, attempt);
    }
    const oldest = attempts.at(-1);
    query = oldest === undefined || oldest.at < since ? null : nextQuery(answer.headers);
  }
  return [...failed.values()].filter(({ guid }) => !delivered.has(guid)).toSorted((a, b) => a.at - b.at);
}

function attemptsIn(json: unknown): Attempt[] {
  if (!Array.isArray(json)) return [];
  return (json as Json[]).filter(isObject).flatMap((item) => {
    const { id, guid, status_code: code } = item;
    const at = timeOf(item["delivered_at"]);
    if ((typeof id !== "number" && typeof id !== "string") || !isId(guid) || at === null) return [];
    return [{ id: String(id), guid, at, delivered: typeof code === "number" && code >= 200 && code < 300 }];
  });
}

/** Only the query is taken over: where requests go is not for an answer to say. */
function nextQuery(headers: Headers): string | null {
  const link = /<([^>]+)>;\s*rel="next"/.exec(headers.get("link") ?? "")?.[1];
  return link !== undefined && URL.canParse(link) ? new URL(link).search : null;
}

async function readDelivery(
  { source, log, read }: Parts,
  api: Api,
  { id, guid }: Attempt,
): Promise<HealedItem[]> {
  const { json } = await api("GET", `/${encodeURIComponent(id)}`);
  const delivery = json as JsonObject;
  const payload = objectAt(delivery, "request", "payload");
  const { event } = delivery;
  if (payload === null || typeof event !== "string") {
    log.warn({ source, delivery: guid }, "github: a delivery has no body on record; asked for it again");
    await api("POST", `/${encodeURIComponent(id)}/attempts`);
    return [];
  }
  const sent = Object.entries(objectAt(delivery, "request", "headers") ?? {}).flatMap(([name, value]) =>
    typeof value === "string" ? [[name.toLowerCase(), value] as const] : [],
  );
  const headers = {
    ...Object.fromEntries(sent),
    // The record shows a form's payload as JSON, too.
    "content-type": "application/json",
    "x-github-event": event,
    "x-github-delivery": guid,
  };
  return read(headers, Buffer.from(JSON.stringify(payload)));
}

// ── Access ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** `path` begins with `?` or `/`, below the list of deliveries. Throws ServiceError. */
type Api = (method: "GET" | "POST", path: string) => Promise<RecordAnswer>;

const defaultBaseUrl = "https://api.github.com";

function apiOf({ source, healing, clock }: Parts, signal: AbortSignal): Api {
  const service = `source:${source}`;
  const base = (healing.baseUrl || defaultBaseUrl).replace(/\/+$/, "");
  const asApp = Boolean(healing.appId && healing.privateKey);
  const place = asApp ? "/app/hook" : hookPath(service, healing.hook ?? "");
  const key = asApp ? appKey(service, healing.privateKey ?? "") : null;
  return (method, path) =>
    readRecord({
      service,
      clock,
      signal,
      method,
      url: `${base}${place}/deliveries${path}`,
      what: "GitHub's list of deliveries",
      token: key ? appToken(healing.appId ?? "", key, clock.now()) : (healing.token ?? ""),
      headers: { accept: "application/vnd.github+json", "user-agent": "signalbox" },
    });
}

function hookPath(service: string, hook: string): string {
  const [, owner, repository, id] = /^([\w.-]+)(?:\/([\w.-]+))?\/hooks\/(\d+)$/.exec(hook) ?? [];
  if (owner === undefined || id === undefined)
    throw new ServiceError(service, "unauthorized", "`healing.hook` must read owner/repository/hooks/ID");
  return repository === undefined
    ? `/orgs/${owner}/hooks/${id}`
    : `/repos/${owner}/${repository}/hooks/${id}`;
}

function appKey(service: string, pem: string): KeyObject {
  try {
    // A key often reaches the environment on one line.
    return createPrivateKey(pem.replaceAll("\\n", "\n"));
  } catch {
    // The parser's message is of no use to people, and its input is a secret.
    throw new ServiceError(service, "unauthorized", "`healing.privateKey` is no private key in PEM form");
  }
}

/** A token of the App itself, for ten minutes at most; a minute back, for clocks that differ. */
function appToken(appId: string, key: KeyObject, now: number): string {
  const seconds = Math.floor(now / 1_000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: appId, iat: seconds - 60, exp: seconds + 480 };
  const signed = `${part({ alg: "RS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${sign("RSA-SHA256", Buffer.from(signed), key).toString("base64url")}`;
}
