import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseOperation, project } from "../../src/sandbox/graphql-selection.ts";
import type { LinearSandbox } from "../../src/sandbox/linear.ts";
import { startLinear } from "../../src/sandbox/linear.ts";

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: {
    data?: Record<string, never> | null;
    errors?: { message: string; extensions: { code: string } }[];
  };
}

const uuid = "11111111-1111-4111-8111-111111111111";
let linear: LinearSandbox;
let issue: string;
beforeEach(async () => {
  linear = await startLinear({ now: () => 1_800_000_000_000 });
  issue = linear.addIssue({ identifier: "ENG-7", title: "Slow page", branchName: "ada/slow" }).id;
});
afterEach(() => linear.close());

async function ask(query: string, variables: object = {}, authorization = "lin_api_x"): Promise<Answer> {
  const response = await fetch(`${linear.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(authorization === "" ? {} : { authorization }) },
    body: JSON.stringify({ query, variables }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer["body"],
  };
}
const data = async (query: string, variables?: object) => (await ask(query, variables)).body.data;
const comment =
  "mutation ($input: CommentCreateInput!) { commentCreate(input: $input) { success comment { id } } }";
const attach =
  "mutation ($input: AttachmentCreateInput!) { attachmentCreate(input: $input) { attachment { id } } }";
const kinds = () => linear.state.effects.map(({ kind }) => kind);

describe("Linear's stand-in", () => {
  it("gives exactly the fields that were selected, under their aliases", async () => {
    const query = `query One($id: String!) { found: issue(id: $id) { ...Short state { name } } }
      fragment Short on Issue { identifier title }`;
    expect(await data(query, { id: issue })).toEqual({
      found: { identifier: "ENG-7", title: "Slow page", state: { name: "Todo" } },
    });
  });

  it.each(["ada/slow", "bob/eng-7-other-words", "ENG-7"])(
    "finds the issue of the branch %s",
    async (branch) => {
      const query = "query ($b: String!) { issueVcsBranchSearch(branchName: $b) { identifier } }";
      expect(await data(query, { b: branch })).toEqual({ issueVcsBranchSearch: { identifier: "ENG-7" } });
    },
  );

  it("finds no issue for a branch that only resembles one", async () => {
    const query = 'query { issueVcsBranchSearch(branchName: "eng-77-else") { identifier } }';
    expect(await data(query)).toEqual({ issueVcsBranchSearch: null });
  });

  it("narrows and pages lists", async () => {
    linear.addIssue({ identifier: "ENG-8", title: "Other" });
    linear.addIssue({ identifier: "OPS-1", title: "Elsewhere", state: "Done" });
    const filtered = `query { issues(filter: { team: { key: { eq: "ENG" } }, state: { type: { neq: "completed" } } }, first: 1)
      { nodes { identifier } pageInfo { hasNextPage endCursor } } }`;
    expect(await data(filtered)).toEqual({
      issues: { nodes: [{ identifier: "ENG-7" }], pageInfo: { hasNextPage: true, endCursor: "0" } },
    });
    const found = await data('query { searchIssues(term: "else") { totalCount nodes { identifier } } }');
    expect(found).toEqual({ searchIssues: { totalCount: 1, nodes: [{ identifier: "OPS-1" }] } });
  });

  it("makes one comment for one id, whatever is repeated", async () => {
    const input = { issueId: issue, body: "Hello", id: uuid };
    expect(await data(comment, { input })).toEqual({
      commentCreate: { success: true, comment: { id: uuid } },
    });
    const again = await ask(comment, { input });
    expect(again.body).toMatchObject({ data: null, errors: [{ extensions: { code: "INPUT_ERROR" } }] });
    expect([linear.state.comments.length, kinds()]).toEqual([1, ["comment"]]);
  });

  it("takes no id that is not a UUID of version 4", async () => {
    const input = { issueId: issue, body: "Hello", id: "11111111-1111-1111-8111-111111111111" };
    expect((await ask(comment, { input })).body.errors?.[0]?.message).toContain("UUID v4");
  });

  it("updates the attachment of a known url, and counts an unchanged repeat as nothing", async () => {
    const input = { issueId: "ENG-7", url: "https://example.com/7", title: "PR", subtitle: "open" };
    const first = await data(attach, { input });
    expect(await data(attach, { input })).toEqual(first);
    await data(attach, { input: { ...input, subtitle: "merged" } });
    expect(linear.state.attachments.map(({ subtitle }) => subtitle)).toEqual(["merged"]);
    expect(kinds()).toEqual(["attachment", "attachment.update"]);
  });

  it("moves an issue within its team only", async () => {
    linear.addTeam({ key: "OPS", name: "Operations" });
    const stateOf = (key: string) => {
      const team = linear.state.teams.find((one) => one.key === key);
      return linear.state.states.find((one) => one.team === team?.id && one.name === "Done")?.id;
    };
    const move =
      "mutation ($id: String!, $s: String!) { issueUpdate(id: $id, input: { stateId: $s }) { issue { state { name } } } }";
    expect(await data(move, { id: issue, s: stateOf("ENG") })).toEqual({
      issueUpdate: { issue: { state: { name: "Done" } } },
    });
    expect((await ask(move, { id: issue, s: stateOf("OPS") })).body.data).toBeNull();
    await data(move, { id: issue, s: stateOf("ENG") });
    expect(kinds()).toEqual(["issue.update"]);
  });

  it("refuses unknown fields, a missing key and too many requests in Linear's words", async () => {
    const unknown = await ask("query { viewer { shoeSize } }");
    expect([unknown.status, unknown.body.errors?.[0]]).toMatchObject([
      400,
      {
        message: 'Cannot query field "shoeSize" on type "User".',
        extensions: { code: "GRAPHQL_VALIDATION_FAILED" },
      },
    ]);
    const anonymous = await ask("query { viewer { id } }", {}, "");
    expect([anonymous.status, anonymous.body.errors?.[0]?.extensions.code]).toEqual([
      401,
      "AUTHENTICATION_ERROR",
    ]);
    linear.limitRate({ retryAfter: 5 });
    const limited = await ask("query { viewer { id } }");
    expect([
      limited.status,
      limited.headers.get("retry-after"),
      limited.body.errors?.[0]?.extensions.code,
    ]).toEqual([400, "5", "RATELIMITED"]);
  });

  it("says that an issue does not exist", async () => {
    expect((await ask('query { issue(id: "ENG-99") { id } }')).body.errors?.[0]?.message).toContain(
      "Entity not found",
    );
  });
});

describe("the reading of a GraphQL document", () => {
  it("takes defaults, literals of every kind, comments and inline fragments", () => {
    const { kind, fields } = parseOperation(
      `mutation M($a: [Int!]! = [1, 2], $b: String) { # a comment
        f(a: $a, b: $b, c: {d: "x\\n", e: ENUM, g: -1.5, h: null, i: true}) { ... on T { id } }
      }`,
      { b: "given" },
      "M",
    );
    expect(kind).toBe("mutation");
    expect(fields[0]?.args).toEqual({
      a: [1, 2],
      b: "given",
      c: { d: "x\n", e: "ENUM", g: -1.5, h: null, i: true },
    });
    expect(project({ f: { id: "1", more: 2 } }, fields)).toEqual({ f: { id: "1" } });
  });

  it.each([
    ["query { a", "Unexpected <EOF>"],
    ["query { a(b: ^) }", 'Unexpected character: "^"'],
    ["query { ...None }", 'Unknown fragment "None"'],
    ["", "Must provide an operation"],
  ])("names what is wrong with %j", (document, words) => {
    expect(() => parseOperation(document, {}, null)).toThrow(words);
  });
});
