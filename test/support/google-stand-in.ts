/** As much of Google as reading a mailbox needs: key set, token endpoint and Gmail API, on a loopback socket. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SignJWT, exportJWK, exportPKCS8, generateKeyPair } from "jose";

interface StandInMessage {
  id: string;
  historyId: string;
  labelIds: string[];
  raw: string;
}

export interface GoogleStandIn {
  readonly url: string;
  /** `METHOD path?query` of every request, in order. */
  readonly requests: string[];
  /** Bodies of token and watch requests. */
  readonly posted: string[];
  messages: StandInMessage[];
  historyId: string;
  /** History before this has expired. */
  oldest: string;
  pageSize: number;
  /** Answers in place of the usual ones, until it returns null. */
  fault: (request: string) => { status: number; body?: unknown; headers?: Record<string, string> } | null;
  /** The access token that the API takes; another is given out at each grant. */
  token: string;
  privateKeyPem: string;
  pushToken(claims: Record<string, unknown>, header?: { alg?: string; kid?: string }): Promise<string>;
  strangerToken(claims: Record<string, unknown>): Promise<string>;
  receive(
    id: string,
    options?: { historyId?: string; labelIds?: string[]; headers?: string; body?: string },
  ): void;
  close(): Promise<void>;
}

export async function startGoogle(): Promise<GoogleStandIn> {
  const keys = await generateKeyPair("RS256", { extractable: true });
  const stranger = await generateKeyPair("RS256", { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: "kid-1", alg: "RS256", use: "sig" };
  let granted = 0;

  const google: GoogleStandIn = {
    url: "",
    requests: [],
    posted: [],
    messages: [],
    historyId: "1000",
    oldest: "0",
    pageSize: 100,
    fault: () => null,
    token: "token-0",
    privateKeyPem: await exportPKCS8(keys.privateKey),
    pushToken: (claims, header = {}) =>
      new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "kid-1", ...header }).sign(keys.privateKey),
    strangerToken: (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: "RS256", kid: "kid-1" }).sign(stranger.privateKey),
    receive(id, { historyId, labelIds = ["INBOX", "UNREAD"], headers, body = "Hello" } = {}) {
      google.historyId = historyId ?? String(BigInt(google.historyId) + 1n);
      const head =
        headers ?? `From: Ada <ada@example.com>\r\nMessage-ID: <${id}@example.com>\r\nSubject: ${id}`;
      const raw = Buffer.from(`${head}\r\n\r\n${body}`).toString("base64url");
      google.messages.push({ id, historyId: google.historyId, labelIds, raw });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };

  const server = createServer((request, response) => void answer(request, response));
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const called = `${request.method ?? ""} ${request.url ?? ""}`;
    google.requests.push(called);
    const body = Buffer.concat(chunks).toString("utf8");
    if (body !== "") google.posted.push(body);
    const { status, json, headers } = route(new URL(request.url ?? "", "http://google"), request, called);
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(json));
  }

  function route(
    url: URL,
    request: IncomingMessage,
    called: string,
  ): { status: number; json: unknown; headers?: Record<string, string> } {
    const fault = google.fault(called);
    if (fault) return { status: fault.status, json: fault.body ?? {}, headers: fault.headers ?? {} };
    if (url.pathname === "/oauth2/v3/certs") return { status: 200, json: { keys: [jwk] } };
    if (url.pathname === "/token") {
      granted += 1;
      google.token = `token-${granted}`;
      return { status: 200, json: { access_token: google.token, expires_in: 3600, token_type: "Bearer" } };
    }
    if (request.headers.authorization !== `Bearer ${google.token}`)
      return { status: 401, json: { error: { code: 401 } } };
    const path = url.pathname.replace("/gmail/v1/users/me/", "");
    if (path === "profile")
      return { status: 200, json: { emailAddress: "support@example.com", historyId: google.historyId } };
    if (path === "watch")
      return { status: 200, json: { historyId: google.historyId, expiration: "1700604800000" } };
    if (path === "history") return history(url.searchParams);
    if (path === "messages") {
      const ids = google.messages.toReversed().map(({ id }) => ({ id, threadId: id }));
      return { status: 200, json: { messages: ids.slice(0, Number(url.searchParams.get("maxResults"))) } };
    }
    const message = google.messages.find(({ id }) => path === `messages/${id}`);
    if (!message) return { status: 404, json: { error: { code: 404 } } };
    return {
      status: 200,
      json: { ...message, threadId: `thread-${message.id}`, snippet: "Hello", internalDate: "1700000000000" },
    };
  }

  function history(query: URLSearchParams): { status: number; json: unknown } {
    const start = BigInt(query.get("startHistoryId") ?? "0");
    if (start < BigInt(google.oldest)) return { status: 404, json: { error: { code: 404 } } };
    const after = google.messages.filter(({ historyId }) => BigInt(historyId) > start);
    const from = Number(query.get("pageToken") ?? "0");
    const page = after.slice(from, from + google.pageSize).map(({ id, historyId, labelIds }) => {
      const message = { id, threadId: id, labelIds };
      return { id: historyId, messages: [message], messagesAdded: [{ message }] };
    });
    const next = from + google.pageSize;
    const more = next < after.length ? { nextPageToken: String(next) } : {};
    return {
      status: 200,
      json: { historyId: google.historyId, ...(page.length > 0 ? { history: page } : {}), ...more },
    };
  }

  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(google, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}
