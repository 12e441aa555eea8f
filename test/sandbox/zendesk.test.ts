import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ZendeskSandbox } from "../../src/sandbox/zendesk.ts";
import { startZendesk } from "../../src/sandbox/zendesk.ts";

let now: number;
let zendesk: ZendeskSandbox;
beforeEach(async () => {
  now = 1_800_000_000_000;
  zendesk = await startZendesk({ now: () => now });
});
afterEach(() => zendesk.close());

const authorization = `Basic ${Buffer.from("agent@example.com/token:secret").toString("base64")}`;
async function ask(method: string, path: string, body?: object, headers: Record<string, string> = {}) {
  const response = await fetch(`${zendesk.url}/api/v2/${path}`, {
    method,
    headers: { authorization, "content-type": "application/json", ...headers },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  return {
    status: response.status,
    headers: response.headers,
    json: (await response.json()) as Record<string, unknown>,
  };
}
const requester = { email: "ada@example.com", name: "Ada" };
const ticket = {
  requester,
  subject: "Help",
  comment: { body: "Broken" },
  priority: "high",
  tags: ["mail"],
  external_id: "k1",
};
const create = (fields: object = {}, key?: string) =>
  ask(
    "POST",
    "tickets",
    { ticket: { ...ticket, ...fields } },
    key === undefined ? {} : { "idempotency-key": key },
  );
const found = async (query: string) => {
  const { json } = await ask("GET", `search?query=${encodeURIComponent(query)}`);
  return (json["results"] as { subject: string }[]).map(({ subject }) => subject);
};
const only = () => zendesk.state.tickets[0]?.id ?? 0;

describe("Zendesk's stand-in", () => {
  it("creates a ticket with its requester, and finds it by external_id", async () => {
    const made = await create();
    expect([made.status, made.json["ticket"]]).toMatchObject([
      201,
      { subject: "Help", priority: "high", status: "new" },
    ]);
    expect((await ask("GET", "tickets?external_id=k1")).json["tickets"]).toHaveLength(1);
    expect((await ask("GET", "tickets?external_id=k2")).json["tickets"]).toEqual([]);
    expect(zendesk.state.effects).toMatchObject([{ kind: "ticket", target: "ada@example.com", key: "k1" }]);
  });

  it("answers an idempotency key once, for two hours", async () => {
    const first = await create({}, "key");
    const again = await create({}, "key");
    expect(again.json).toEqual(first.json);
    expect([first, again].map(({ headers }) => headers.get("x-idempotency-lookup"))).toEqual(["miss", "hit"]);
    expect((await create({ subject: "Other" }, "key")).json).toMatchObject({
      error: "IdempotentRequestError",
    });
    now += 2 * 3_600_000;
    await create({}, "key");
    expect(zendesk.state.tickets).toHaveLength(2);
  });

  it.each([
    ["no comment", { comment: {} }, "base"],
    ["an unknown priority", { priority: "HIGH" }, "priority"],
    ["a new requester without a name", { requester: { email: "eve@example.com" } }, "requester"],
  ])("refuses a ticket with %s", async (_, fields, field) => {
    const { status, json } = await create(fields);
    expect([status, json]).toMatchObject([422, { error: "RecordInvalid", details: { [field]: [{}] } }]);
    expect(zendesk.state.tickets).toEqual([]);
  });

  it("keeps an update's metadata in its audit", async () => {
    await create();
    const update = { comment: { body: "On it", public: false }, metadata: { agent_key: "k2" } };
    await ask("PUT", `tickets/${only()}`, { ticket: update });
    const { json } = await ask("GET", `tickets/${only()}/audits?page[size]=1&page[after]=1`);
    expect(json).toMatchObject({
      audits: [{ metadata: { custom: { agent_key: "k2" } } }],
      meta: { has_more: false },
    });
    const comments = await ask("GET", `tickets/${only()}/comments`);
    expect(comments.json["comments"]).toMatchObject([{ body: "Broken" }, { body: "On it", public: false }]);
  });

  it("overwrites tags in an update, and adds them in a PUT of tags", async () => {
    await create();
    await ask("PUT", `tickets/${only()}/tags`, { tags: ["vip"] });
    expect(zendesk.state.tickets[0]?.tags).toEqual(["mail", "vip"]);
    await ask("PUT", `tickets/${only()}`, { ticket: { tags: ["new"] } });
    expect(zendesk.state.tickets[0]?.tags).toEqual(["new"]);
  });

  it("refuses a safe update of what has changed since", async () => {
    const made = await create();
    const stamp = (made.json["ticket"] as { updated_at: string }).updated_at;
    const safe = { ticket: { status: "solved", safe_update: true, updated_stamp: stamp } };
    now += 5_000;
    expect((await ask("PUT", `tickets/${only()}`, safe)).status).toBe(200);
    expect((await ask("PUT", `tickets/${only()}`, safe)).status).toBe(409);
  });

  it("searches by requester, tag and state", async () => {
    const seed = { requester, body: "Text", tags: ["a"] };
    zendesk.addTicket({ ...seed, subject: "Old", status: "solved", createdAt: now - 1_000 });
    zendesk.addTicket({ ...seed, subject: "Open" });
    zendesk.addTicket({ ...seed, requester: { email: "eve@example.com", name: "Eve" }, subject: "Hers" });
    expect(await found("type:ticket requester:ada@example.com")).toEqual(["Open", "Old"]);
    expect(await found("type:ticket status<solved tags:a")).toEqual(["Hers", "Open"]);
    expect(await found('type:ticket subject:"old"')).toEqual(["Old"]);
  });

  it("takes a token, and nothing less", async () => {
    const password = `Basic ${Buffer.from("agent@example.com:secret").toString("base64")}`;
    expect((await ask("GET", "users/me", undefined, { authorization: password })).status).toBe(401);
    expect((await ask("GET", "users/me")).json["user"]).toMatchObject({ role: "admin" });
  });

  it("updates the user who is known by the address", async () => {
    const user = { email: "ada@example.com", name: "Ada" };
    expect((await ask("POST", "users/create_or_update", { user })).status).toBe(201);
    expect((await ask("POST", "users/create_or_update", { user: { ...user, name: "Ada L." } })).status).toBe(
      200,
    );
    expect((await ask("GET", "users/search?query=ada@example.com")).json["users"]).toMatchObject([
      { name: "Ada L." },
    ]);
  });
});
