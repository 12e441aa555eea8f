/** The stand-ins answer in the vendors' own shapes: each answer is held against the vendor's description of it. */
import type { Document } from "openapi-backend";
import { OpenAPIBackend } from "openapi-backend";
import addFormats from "ajv-formats";
import type { ExecutionResult } from "graphql";
import { buildSchema, parse, validate } from "graphql";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { documents } from "../../src/destinations/linear.ts";
import type { Sandbox } from "../../src/sandbox/index.ts";
import { startSandbox } from "../../src/sandbox/index.ts";
import { systemClock } from "../../src/resilience/clock.ts";
import { startEcho } from "../support/graph-echo.ts";
import { typeFaults } from "../support/graphql-answers.ts";
import { sharedFile, sharedNote, sharedPresent } from "../support/shared.ts";

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await startSandbox();
});
afterAll(() => sandbox.close());

/**
 * What OpenAPI 3.0 means by `nullable`, in the validator's terms: beside `enum` null is one more value, beside `anyOf`
 * one more variant.
 */
function typedNullable(_key: string, value: unknown): unknown {
  if (value === null || typeof value !== "object" || !("nullable" in value)) return value;
  const { nullable, ...schema } = value;
  if (nullable !== true) return schema;
  if ("enum" in schema && Array.isArray(schema.enum))
    return { ...value, enum: [...new Set([...schema.enum, null])] };
  return "type" in schema ? value : { anyOf: [schema, { enum: [null] }] };
}

/** Reads the vendor's description once; gives a function that names what is wrong with an answer. */
async function describedBy(path: string) {
  const definition = JSON.parse(sharedFile(path), typedNullable) as Document;
  const api = new OpenAPIBackend({
    definition,
    quick: true,
    validate: true,
    ajvOpts: { strict: false, allErrors: true },
    customizeAjv: (ajv) => {
      addFormats.default(ajv);
      // Zendesk's own word for date-time.
      return ajv.addFormat("datetime", true);
    },
  });
  await api.init();
  return (method: string, path: string, status: number, body: unknown): string[] => {
    const operation = api.matchOperation({ method, path, headers: {} });
    if (!operation?.operationId) return [`${method} ${path} is not described`];
    const { errors } = api.validateResponse(body, operation.operationId, status);
    return (errors ?? []).map((error) => `${error.instancePath} ${error.message ?? ""}`);
  };
}

interface Exchange {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly form?: string;
  readonly headers?: Record<string, string>;
  /** The path as the description has it, where it differs from ours. */
  readonly described?: string;
}

async function ask(base: string, auth: string, exchange: Exchange) {
  const { method = "GET", path, body, form, headers = {} } = exchange;
  const type = form === undefined ? "application/json" : "application/x-www-form-urlencoded";
  const payload = form ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(base + path, {
    method,
    headers: { authorization: auth, ...(payload === undefined ? {} : { "content-type": type }), ...headers },
    ...(payload === undefined ? {} : { body: payload }),
  });
  const text = await response.text();
  return { status: response.status, json: (text === "" ? undefined : JSON.parse(text)) as unknown };
}

type Describe = Awaited<ReturnType<typeof describedBy>>;

async function holds(described: Describe, base: string, auth: string, exchange: Exchange, status = 200) {
  const answer = await ask(base, auth, exchange);
  expect({ status: answer.status, json: answer.json }).toMatchObject({ status });
  const path = (exchange.described ?? exchange.path).split("?")[0] ?? "";
  expect(described(exchange.method ?? "GET", path, status, answer.json ?? null)).toEqual([]);
  return answer.json as Record<string, never>;
}

describe.skipIf(!sharedPresent)(`the answers of the sandbox${sharedNote}`, () => {
  it("are GitHub's", { timeout: 60_000 }, async () => {
    const described = await describedBy("specs/github/openapi.trimmed.json");
    const { github } = sandbox;
    const patch = "@@ -1,2 +1,3 @@\n one\n+two\n three";
    const files = [{ filename: "a.ts", status: "modified" as const, additions: 1, deletions: 0, patch }];
    github.addPullRequest({
      owner: "acme",
      repo: "web",
      number: 7,
      title: "Add two",
      body: null,
      branch: "two",
      baseSha: "b".repeat(40),
      headSha: "a".repeat(40),
      author: "ada",
      files,
    });
    github.addContents({ owner: "acme", repo: "web", path: "a.ts", content: "one" });
    github.addDelivery({ guid: "g-1", event: "pull_request", action: "opened", statusCode: 502 });
    const repo = "/repos/acme/web";
    const check = (exchange: Exchange, status = 200, auth = "token secret") =>
      holds(described, github.url, auth, exchange, status);
    const app = "Bearer a.b.c";
    await check({ path: "/meta" });
    await check({ path: `${repo}/installation` }, 200, app);
    await check({ method: "POST", path: "/app/installations/1/access_tokens" }, 201, app);
    const deliveries = await check({ path: "/app/hook/deliveries" }, 200, app);
    const delivery = (deliveries as unknown as { id: number }[])[0]?.id ?? 0;
    await check({ method: "POST", path: `/app/hook/deliveries/${delivery}/attempts` }, 202, app);
    await check({ path: `${repo}/pulls/7` });
    await check({ path: `${repo}/pulls/7/files` });
    await check({ path: `${repo}/contents/a.ts` });
    await check({ path: `${repo}/compare/${"b".repeat(40)}...${"a".repeat(40)}` });
    const comments = [{ path: "a.ts", line: 2, side: "RIGHT", body: "Why?" }];
    const review = { event: "COMMENT", body: "Read.", comments };
    await check({ method: "POST", path: `${repo}/pulls/7/reviews`, body: review });
    await check({ path: `${repo}/pulls/7/reviews` });
    await check({ path: `${repo}/pulls/7/comments` });
    const outside = { ...review, comments: [{ path: "a.ts", line: 9, side: "RIGHT", body: "Why?" }] };
    await check({ method: "POST", path: `${repo}/pulls/7/reviews`, body: outside }, 422);
    const comment = await check(
      { method: "POST", path: `${repo}/issues/7/comments`, body: { body: "Hello" } },
      201,
    );
    await check({ path: `${repo}/issues/7/comments` });
    await check({
      method: "PATCH",
      path: `${repo}/issues/comments/${String(comment["id"])}`,
      body: { body: "Hi" },
    });
    await check({ method: "POST", path: `${repo}/issues/7/labels`, body: { labels: ["risk"] } });
    const run = { name: "signalbox", head_sha: "a".repeat(40), status: "completed", conclusion: "neutral" };
    await check({ method: "POST", path: `${repo}/check-runs`, body: run }, 201);
    await check({ path: `${repo}/commits/${"a".repeat(40)}/check-runs` });
    await check({ path: `${repo}/pulls/8` }, 404);
  });

  it("are Stripe's", { timeout: 60_000 }, async () => {
    const described = await describedBy("specs/stripe/openapi.json");
    const { stripe } = sandbox;
    const customer = stripe.addCustomer({ email: "ada@example.com" });
    const subscription = stripe.addSubscription({ customer: customer.id });
    const invoice = stripe.addInvoice({ customer: customer.id, amount_paid: 4_900 });
    const charge = stripe.addCharge({ customer: customer.id, amount: 4_900 });
    const dispute = stripe.addDispute({ charge: charge.id });
    const refund = stripe.addRefund({ charge: charge.id });
    const event = stripe.addEvent({ type: "customer.updated", object: customer });
    const check = (exchange: Exchange, status = 200) =>
      holds(described, stripe.url, "Bearer sk_test", exchange, status);
    await check({
      method: "POST",
      path: "/v1/coupons",
      form: "id=save20&percent_off=20&duration=once&name=Stay",
    });
    await check({ path: "/v1/coupons/save20" });
    const code = `code=STAY&promotion[type]=coupon&promotion[coupon]=save20&customer=${customer.id}&max_redemptions=1`;
    await check({ method: "POST", path: "/v1/promotion_codes", form: code });
    await check({ path: "/v1/promotion_codes?code=STAY" });
    stripe.addDiscount(subscription.id, "save20");
    await check({ method: "POST", path: "/v1/customers", form: "email=bob@example.com&metadata[plan]=pro" });
    const lists: readonly (readonly [string, string])[] = [
      ["customers", customer.id],
      ["subscriptions", subscription.id],
      ["invoices", invoice.id],
      ["charges", charge.id],
      ["disputes", dispute.id],
      ["refunds", refund.id],
      ["events", event.id],
    ];
    for (const [name, id] of lists) {
      await check({ path: `/v1/${name}` });
      await check({ path: `/v1/${name}/${id}` });
    }
    await check({ path: "/v1/coupons/none" }, 404);
    await check({ method: "POST", path: "/v1/coupons", form: "duration=once" }, 400);
  });

  it("are HubSpot's", async () => {
    const described = await describedBy("specs/hubspot/openapi.json");
    const { hubspot } = sandbox;
    const check = (exchange: Exchange, status = 200) =>
      holds(described, hubspot.url, "Bearer pat", exchange, status);
    const objects = "/crm/v3/objects";
    const created = await check(
      { method: "POST", path: `${objects}/contacts`, body: { properties: { email: "ada@example.com" } } },
      201,
    );
    const id = String(created["id"]);
    const associations = [
      { to: { id }, types: [{ associationCategory: "HUBSPOT_DEFINED", associationTypeId: 202 }] },
    ];
    const note = {
      properties: { hs_note_body: "Hello", hs_timestamp: "2026-01-01T00:00:00Z" },
      associations,
    };
    const noted = await check({ method: "POST", path: `${objects}/notes`, body: note }, 201);
    await check({ path: `${objects}/contacts/${id}?properties=email,phone` });
    await check({ method: "PATCH", path: `${objects}/contacts/${id}`, body: { properties: { phone: "1" } } });
    const filters = [{ propertyName: "email", operator: "EQ", value: "ada@example.com" }];
    const query = { filterGroups: [{ filters }], properties: ["email"], limit: 10, after: "0", sorts: [] };
    await check({ method: "POST", path: `${objects}/contacts/search`, body: query });
    const upsert = {
      inputs: [{ id: "eve@example.com", idProperty: "email", properties: { firstname: "Eve" } }],
    };
    await check({ method: "POST", path: `${objects}/contacts/batch/upsert`, body: upsert });
    const inputs = { inputs: [{ id }, { id: "1" }], properties: ["email"], propertiesWithHistory: [] };
    await check({ method: "POST", path: `${objects}/contacts/batch/read`, body: inputs }, 207);
    const link = `/crm/v4/objects/notes/${String(noted["id"])}/associations`;
    await check({ method: "PUT", path: `${link}/default/contacts/${id}` });
    await check({ path: `${link}/contacts` });
    await check({
      method: "POST",
      path: "/crm/v4/associations/contacts/notes/batch/read",
      body: { inputs: [{ id }] },
    });
  });

  it("are Zendesk's", async () => {
    const described = await describedBy("specs/zendesk/openapi.trimmed.json");
    const { zendesk } = sandbox;
    const auth = `Basic ${Buffer.from("agent@example.com/token:secret").toString("base64")}`;
    const check = (exchange: Exchange, status = 200) => holds(described, zendesk.url, auth, exchange, status);
    const requester = { email: "ada@example.com", name: "Ada" };
    const ticket = {
      requester,
      subject: "Help",
      comment: { body: "Broken" },
      priority: "high",
      external_id: "k",
    };
    const created = await check({ method: "POST", path: "/api/v2/tickets", body: { ticket } }, 201);
    const id = String((created["ticket"] as unknown as { id: number }).id);
    await check({ path: "/api/v2/tickets?external_id=k" });
    await check({ path: `/api/v2/tickets/${id}` });
    const update = { comment: { body: "On it", public: false }, metadata: { agent_key: "k" } };
    await check({ method: "PUT", path: `/api/v2/tickets/${id}`, body: { ticket: update } });
    await check({ path: `/api/v2/tickets/${id}/comments` });
    await check({ path: `/api/v2/tickets/${id}/audits` });
    await check({ method: "PUT", path: `/api/v2/tickets/${id}/tags`, body: { tags: ["a"] } });
    await check({ path: "/api/v2/search?query=type:ticket" });
    await check({ path: "/api/v2/users/search?query=ada" });
    await check({ path: "/api/v2/users/me" });
    const user = { name: "Bob", email: "bob@example.com" };
    await check({ method: "POST", path: "/api/v2/users/create_or_update", body: { user } }, 201);
  });

  it("are Gmail's", async () => {
    const described = await describedBy("specs/gmail/openapi.json");
    const { google } = sandbox;
    const form = "grant_type=refresh_token&refresh_token=r&client_id=c&client_secret=s";
    const token = await ask(google.url, "", { method: "POST", path: "/token", form });
    const auth = `Bearer ${(token.json as { access_token: string }).access_token}`;
    const { historyId } = google.receive({
      from: "a@example.com",
      to: "b@example.com",
      subject: "Hé",
      text: "Hi",
    });
    const html = "<p>Hi</p>";
    const { id } = google.receive({
      from: "a@example.com",
      to: "b@example.com",
      subject: "2",
      text: "Hi",
      html,
    });
    const me = "/gmail/v1/users/me";
    const check = (exchange: Exchange, status = 200) => holds(described, google.url, auth, exchange, status);
    await check({ path: `${me}/profile` });
    await check({ method: "POST", path: `${me}/watch`, body: { topicName: "projects/p/topics/t" } });
    await check({ path: `${me}/history?startHistoryId=${Number(historyId) - 1}&historyTypes=messageAdded` });
    await check({ path: `${me}/messages?q=newer_than:2d` });
    for (const format of ["minimal", "full", "raw", "metadata"])
      await check({ path: `${me}/messages/${id}?format=${format}` });
    await check({ path: `${me}/threads/${id}` });
    const raw = Buffer.from("To: a@example.com\r\nSubject: Re\r\n\r\nHello").toString("base64url");
    await check({ method: "POST", path: `${me}/messages/send`, body: { raw, threadId: id } });
    await check({
      method: "POST",
      path: `${me}/messages/${id}/modify`,
      body: { removeLabelIds: ["UNREAD"] },
    });
    await check({ path: `${me}/labels` });
    await check({ method: "POST", path: `${me}/labels`, body: { name: "triaged" } });
  });

  it("are Slack's", async () => {
    const described = await describedBy("specs/slack/openapi.trimmed.json");
    const { slack } = sandbox;
    const check = (exchange: Exchange) => holds(described, slack.url, "Bearer xoxb", exchange);
    const posted = await check({
      method: "POST",
      path: "/chat.postMessage",
      body: { channel: "#signalbox", text: "Hi" },
    });
    const channel = String(posted["channel"]);
    const update = { channel, ts: posted["ts"], text: "Hello" };
    await check({ method: "POST", path: "/chat.update", body: update });
    await check({ path: `/conversations.history?channel=${channel}` });
    await check({ path: "/conversations.list" });
    await check({ path: "/auth.test" });
    slack.addUser({ name: "Ada", email: "ada@example.com" });
    await check({ path: "/users.lookupByEmail?email=ada@example.com" });
  });

  it("are Linear's: every field that a document asks for, of the type that the schema says", async () => {
    const schema = buildSchema(sharedFile("specs/linear/schema.graphql"), { assumeValid: true });
    const { linear } = sandbox;
    const { id } = linear.addIssue({ identifier: "ENG-7", title: "Slow page", branchName: "ada/eng-7-slow" });
    const team = linear.state.teams[0]?.id ?? "";
    const done = linear.state.states.find((state) => state.name === "Done")?.id ?? "";
    const uuid = "11111111-1111-4111-8111-111111111111";
    const input = { issueId: id, body: "Hello", id: uuid };
    const link = { issueId: id, url: "https://example.com/7", title: "PR", subtitle: "open" };
    const requests: readonly (readonly [string, object])[] = [
      ["query { viewer { id name email } }", {}],
      [documents.issueByBranch, { branch: "ada/eng-7-slow" }],
      [documents.issue, { id: "ENG-7" }],
      [documents.states, { team }],
      [documents.commentCreate, { input }],
      [documents.comment, { id: uuid }],
      [documents.attachmentCreate, { input: link }],
      [documents.issueUpdate, { id, input: { stateId: done } }],
      [
        "query ($t: String!) { searchIssues(term: $t) { nodes { id identifier } totalCount } }",
        { t: "slow" },
      ],
      ["query { teams { nodes { id key name } pageInfo { hasNextPage endCursor } } }", {}],
    ];
    for (const [query, variables] of requests) {
      expect(validate(schema, parse(query)).map((error) => error.message)).toEqual([]);
      const { json } = await ask(linear.url, "lin_api", {
        method: "POST",
        path: "/graphql",
        body: { query, variables },
      });
      const result = json as ExecutionResult<Record<string, unknown>>;
      expect(result.errors).toBeUndefined();
      expect(typeFaults(schema, query, result.data ?? {})).toEqual([]);
    }
  });

  it("are Microsoft Graph's", async () => {
    const described = await describedBy("specs/graph/openapi.json");
    const { graph } = sandbox;
    const echo = await startEcho();
    try {
      const form = "grant_type=client_credentials&client_id=sandbox&client_secret=sandbox&scope=any";
      const granted = await ask(graph.tokenUrl, "", { method: "POST", path: "", form });
      const auth = `Bearer ${(granted.json as { access_token: string }).access_token}`;
      const check = (exchange: Exchange, status = 200) =>
        holds(
          described,
          graph.url,
          auth,
          { ...exchange, path: `/v1.0${exchange.path}`, described: exchange.path },
          status,
        );
      graph.receive({ from: "ada@example.com", to: "support@example.com", subject: "Hello", text: "Hello" });
      graph.limitPages(1);
      graph.receive({ from: "ada@example.com", to: "support@example.com", subject: "Again", text: "Hello" });
      const feed = "/users/support@example.com/mailFolders/inbox/messages/delta";
      const page = await check({ path: `${feed}?$filter=receivedDateTime+ge+2020-01-01T00:00:00Z` });
      const next = String(page["@odata.nextLink"]).replace(`${graph.url}/v1.0`, "");
      const last = await check({ path: next });
      expect(last["@odata.deltaLink"]).toBeDefined();
      graph.expireDelta();
      await check({ path: next }, 410);
      await check({ path: `${feed}?$deltatoken=none` }, 400);
      await check({ path: feed.replace("support@", "nobody@") }, 404);
      const day = 86_400_000;
      const until = (days: number) => new Date(systemClock.now() + days * day).toISOString();
      const wanted = {
        changeType: "created",
        notificationUrl: echo.url,
        lifecycleNotificationUrl: echo.url,
        resource: "users/support@example.com/mailFolders('inbox')/messages",
        expirationDateTime: until(6),
        clientState: "secret",
      };
      const subscribe = (body: object, status: number) =>
        check({ method: "POST", path: "/subscriptions", body }, status);
      const { id } = await subscribe(wanted, 201);
      await subscribe({ ...wanted, expirationDateTime: until(8) }, 400);
      await subscribe({ ...wanted, notificationUrl: "http://127.0.0.1:1/" }, 400);
      await subscribe({ ...wanted, resource: undefined }, 400);
      const one = `/subscriptions/${String(id)}`;
      await check({ path: "/subscriptions" });
      await check({ path: one });
      await check({ method: "PATCH", path: one, body: { expirationDateTime: until(5) } });
      await check({ method: "POST", path: `${one}/reauthorize` }, 204);
      await check({ method: "DELETE", path: one }, 204);
      await check({ method: "PATCH", path: one, body: { expirationDateTime: until(5) } }, 404);
      graph.expireTokens();
      await check({ path: "/subscriptions" }, 401);
    } finally {
      await echo.close();
    }
  });
});
