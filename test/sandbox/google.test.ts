import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GoogleSandbox } from "../../src/sandbox/google.ts";
import { startGoogle } from "../../src/sandbox/google.ts";

const noon = 1_800_000_000_000;
let now: number;
let google: GoogleSandbox;
beforeEach(async () => {
  now = noon;
  google = await startGoogle({ now: () => now });
});
afterEach(() => google.close());

const grant = (form: Record<string, string>) =>
  fetch(google.tokenUrl, { method: "POST", body: new URLSearchParams(form) });
const refresh = { grant_type: "refresh_token", refresh_token: "r", client_id: "c", client_secret: "s" };
const token = async () => ((await (await grant(refresh)).json()) as { access_token: string }).access_token;

interface Listed {
  messages?: { id: string }[];
  history?: { id: string; messagesAdded?: { message: { id: string; labelIds: string[] } }[] }[];
  historyId?: string;
  nextPageToken?: string;
  error?: { code: number; status: string };
  raw?: string;
  threadId?: string;
}

async function api(path: string, body?: object): Promise<Listed> {
  const response = await fetch(`${google.url}/gmail/v1/users/me/${path}`, {
    headers: { authorization: `Bearer ${await token()}`, "content-type": "application/json" },
    ...(body ? { method: "POST", body: JSON.stringify(body) } : {}),
  });
  return (await response.json()) as Listed;
}
const mail = (subject: string, headers: Record<string, string> = {}) =>
  google.receive({
    from: "Ada <ada@example.com>",
    to: "support@example.com",
    subject,
    text: "Grüße",
    headers,
  });

describe("Google's stand-in", () => {
  it("mints push tokens that its key set verifies, with any claim replaced", async () => {
    const minted = google.mintPushToken({
      audience: "https://a.example/webhooks/inbox",
      email: "push@example.com",
    });
    const { payload } = await jwtVerify(minted, createRemoteJWKSet(new URL(google.jwksUrl)), {
      issuer: "https://accounts.google.com",
      audience: "https://a.example/webhooks/inbox",
      currentDate: new Date(noon),
    });
    expect(payload).toMatchObject({ email: "push@example.com", email_verified: true });
    const expired = google.mintPushToken({ audience: "a", email: "push@example.com", exp: 1 });
    await expect(
      jwtVerify(expired, createRemoteJWKSet(new URL(google.jwksUrl)), { currentDate: new Date(noon) }),
    ).rejects.toMatchObject({ code: "ERR_JWT_EXPIRED" });
  });

  it("announces a change with the mailbox and its history id, under a new message id each time", () => {
    const { historyId } = mail("Hello");
    const bodies = [google.pushBody(), google.pushBody(historyId)].map(
      (body) => JSON.parse(body) as { message: { data: string; messageId: string } },
    );
    const data = bodies.map(({ message }) => Buffer.from(message.data, "base64").toString("utf8"));
    expect(data.map((text) => JSON.parse(text) as unknown)).toEqual([
      { emailAddress: "support@example.com", historyId: Number(historyId) },
      { emailAddress: "support@example.com", historyId: Number(historyId) },
    ]);
    expect(new Set(bodies.map(({ message }) => message.messageId)).size).toBe(2);
  });

  it("lists what came after a cursor, page by page", async () => {
    const ids = ["1", "2", "3"].map((subject) => mail(subject).id);
    const path = "history?startHistoryId=1000&historyTypes=messageAdded&maxResults=2";
    const first = await api(path);
    const second = await api(`${path}&pageToken=${first.nextPageToken ?? ""}`);
    const seen = [...(first.history ?? []), ...(second.history ?? [])];
    expect(seen.map((entry) => entry.messagesAdded?.[0]?.message.id)).toEqual(ids);
    expect([second.nextPageToken, second.historyId]).toEqual([undefined, "1003"]);
    expect((await api("history?startHistoryId=1003")).history).toBeUndefined();
  });

  it("answers 404 for a cursor that is too old, and 400 without one", async () => {
    mail("Hello");
    google.expireHistory();
    expect((await api("history?startHistoryId=1001")).error).toMatchObject({
      code: 404,
      status: "NOT_FOUND",
    });
    expect((await api("history?startHistoryId=1002")).error).toBeUndefined();
    expect((await api("history")).error).toMatchObject({ code: 400 });
  });

  it("keeps the message as it came, and threads answers by what they answer", async () => {
    const { id } = mail("Größe?", { "Message-ID": "<first@example.com>" });
    const answer = mail("Re", { "In-Reply-To": "<first@example.com>" });
    const raw = Buffer.from((await api(`messages/${id}?format=raw`)).raw ?? "", "base64url").toString("utf8");
    expect(raw).toContain("Message-ID: <first@example.com>\r\n");
    expect(raw).toContain("Subject: =?UTF-8?B?R3LDtsOfZT8=?=\r\n");
    expect(raw.endsWith("\r\n\r\nGrüße")).toBe(true);
    expect((await api(`messages/${answer.id}`)).threadId).toBe(id);
  });

  it("finds messages by age and by Message-ID", async () => {
    const { id: old } = mail("Old", { "Message-ID": "<old@example.com>" });
    now += 3 * 86_400_000;
    const { id } = mail("New");
    expect((await api("messages?q=newer_than:2d")).messages).toMatchObject([{ id }]);
    expect((await api("messages?q=rfc822msgid:%3Cold@example.com%3E")).messages).toMatchObject([{ id: old }]);
    expect((await api("messages?q=from:nobody")).messages).toBeUndefined();
  });

  it("sends under the sender's own Message-ID, as one effect", async () => {
    const text = "To: ada@example.com\r\nMessage-ID: <k1@signalbox>\r\nSubject: Hi\r\n\r\nHello";
    await api("messages/send", { raw: Buffer.from(text).toString("base64url") });
    expect(google.state.effects).toMatchObject([
      { kind: "mail", target: "ada@example.com", key: "<k1@signalbox>" },
    ]);
    expect((await api("messages?q=rfc822msgid:k1@signalbox")).messages).toHaveLength(1);
  });

  it("records a change of labels in the history, once", async () => {
    const { id, historyId } = mail("Hello");
    await api(`messages/${id}/modify`, { removeLabelIds: ["UNREAD"] });
    await api(`messages/${id}/modify`, { removeLabelIds: ["UNREAD"] });
    const { history } = await api(`history?startHistoryId=${historyId}`);
    expect(history).toMatchObject([{ labelsRemoved: [{ labelIds: ["UNREAD"] }] }]);
  });

  it("gives tokens for a refresh token and for a signed assertion, for an hour", async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const assertion = (exp: number) => [part({ alg: "RS256" }), part({ exp }), "signature"].join(".");
    const jwt = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer" };
    expect((await grant({ ...jwt, assertion: assertion(noon / 1_000 + 60) })).status).toBe(200);
    expect((await grant({ ...jwt, assertion: assertion(noon / 1_000 - 60) })).status).toBe(400);
    expect((await grant({ ...refresh, client_secret: "" })).status).toBe(400);
    const headers = { authorization: `Bearer ${await token()}` };
    const profile = () => fetch(`${google.url}/gmail/v1/users/me/profile`, { headers });
    expect((await profile()).status).toBe(200);
    now += 3_600_000;
    expect((await profile()).status).toBe(401);
    google.revoke();
    expect(await (await grant(refresh)).json()).toMatchObject({ error: "invalid_grant" });
    expect(JSON.stringify(google.requests)).not.toContain(assertion(noon / 1_000 + 60));
  });

  it("lets nobody read another mailbox", async () => {
    const headers = { authorization: `Bearer ${await token()}` };
    const other = await fetch(`${google.url}/gmail/v1/users/eve@example.com/profile`, { headers });
    expect(other.status).toBe(403);
  });
});
