/**
 * Linear's GraphQL endpoint for the operations that Signalbox uses. Creations take a client `id` (UUID v4); a repeated
 * id is an error, never a second object. An attachment with a known url on the same issue updates that attachment.
 */
import type { Json, JsonObject } from "../domain/json.ts";
import { asObject, asText } from "./bodies.ts";
import type { Field, Resolved, ResolvedObject } from "./graphql-selection.ts";
import { parseOperation, project, SelectionError } from "./graphql-selection.ts";
import { changes } from "./linear-changes.ts";
import type { Roots } from "./linear-roots.ts";
import { findIssue, InputFault, nextUuid } from "./linear-roots.ts";
import type { IssueRecord, LinearState } from "./linear-types.ts";
import * as type from "./linear-types.ts";
import type { Answer, Call } from "./call.ts";
import type { Stand, VendorOptions } from "./stand.ts";
import { openStand, saving } from "./stand.ts";
import { openStore } from "./store.ts";

export interface SeedIssue {
  /** `ENG-123`; a team with another key is made. */
  readonly identifier: string;
  readonly title: string;
  readonly description?: string;
  readonly branchName?: string;
  /** Name of a workflow state; `Todo` by default. */
  readonly state?: string;
}

export interface LinearSandbox extends Stand {
  readonly state: LinearState;
  /** Makes the team with six workflow states, from Backlog to Canceled. */
  addTeam(team: { key: string; name: string }): { id: string };
  addIssue(issue: SeedIssue): { id: string };
  /** The next `times` requests (once by default) meet Linear's rate limit; `retryAfter` in seconds. */
  limitRate(limit?: { times?: number; retryAfter?: number }): void;
}

const workflow = [
  ["Backlog", "backlog"],
  ["Todo", "unstarted"],
  ["In Progress", "started"],
  ["In Review", "started"],
  ["Done", "completed"],
  ["Canceled", "canceled"],
] as const;

function errorOf(message: string, code: string, statusCode: number): JsonObject {
  return {
    message,
    extensions: {
      type: code.toLowerCase().replaceAll("_", " "),
      code,
      statusCode,
      userError: statusCode < 500,
      userPresentableMessage: message,
    },
  };
}

const codes: Readonly<Record<number, string>> = {
  400: "INPUT_ERROR",
  401: "AUTHENTICATION_ERROR",
  403: "FORBIDDEN",
  429: "RATELIMITED",
};
const failure = (status: number, message: string): Answer => ({
  status,
  json: { errors: [errorOf(message, codes[status] ?? "INTERNAL_SERVER_ERROR", status)] },
});

export async function startLinear(options: VendorOptions): Promise<LinearSandbox> {
  const { now } = options;
  const store = openStore<LinearState>(options.file ?? null, {
    nextId: 100,
    teams: [],
    states: [],
    issues: [],
    comments: [],
    attachments: [],
    effects: [],
  });
  const { state } = store;
  const stand = await openStand({
    now,
    routes: [["POST", "/graphql", (call) => answer(state, now, call)]],
    authorize: (call) =>
      call.headers["authorization"] ? null : failure(401, "Authentication required, not authenticated"),
    failure,
    save: store.save,
  });
  const seed = saving(store.save);
  return {
    ...stand,
    state,
    addTeam: seed((team) => addTeam(state, team)),
    addIssue: seed((issue) => addIssue(state, now(), issue)),
    limitRate({ times = 1, retryAfter } = {}) {
      stand.faults.fail({
        status: 400,
        body: {
          errors: [
            errorOf("Rate limit exceeded. Only 5000 requests are allowed per 1 hour.", "RATELIMITED", 429),
          ],
        },
        headers: {
          "x-ratelimit-requests-remaining": "0",
          "x-ratelimit-requests-reset": String(now() + (retryAfter ?? 1) * 1_000),
        },
        times,
        ...(retryAfter === undefined ? {} : { retryAfter }),
      });
    },
  };
}

function addTeam(state: LinearState, team: { key: string; name: string }): { id: string } {
  const record = { id: nextUuid(state), ...team };
  state.teams.push(record);
  workflow.forEach(([name, kind], position) => {
    state.states.push({ id: nextUuid(state), team: record.id, name, type: kind, position });
  });
  return record;
}

function addIssue(state: LinearState, at: number, seed: SeedIssue): { id: string } {
  const [key = "ENG", number = "1"] = seed.identifier.split("-");
  const team = state.teams.find((one) => one.key === key)?.id ?? addTeam(state, { key, name: key }).id;
  const states = state.states.filter((one) => one.team === team);
  const start = states.find((one) => one.name === (seed.state ?? "Todo"));
  if (!start) {
    throw new Error(`No state "${seed.state ?? ""}"; it has ${states.map((one) => one.name).join(", ")}.`);
  }
  const record: IssueRecord = {
    id: nextUuid(state),
    team,
    number: Number(number),
    title: seed.title,
    description: seed.description ?? null,
    state: start.id,
    priority: 0,
    branchName: seed.branchName ?? `signalbox/${seed.identifier.toLowerCase()}`,
    labelIds: [],
    createdAt: at,
    updatedAt: at,
  };
  state.issues.push(record);
  return record;
}

function answer(state: LinearState, now: () => number, call: Call): Answer {
  const body = asObject(call.body);
  const variables = asObject(body["variables"]);
  try {
    const operation = parseOperation(
      asText(body["query"]) ?? "",
      variables,
      asText(body["operationName"]) ?? null,
    );
    const roots: Roots = operation.kind === "query" ? queries(state) : changes(state, now);
    const data: { [name: string]: Json } = {};
    for (const field of operation.fields) data[field.key] = root(roots, operation.kind, field);
    return { status: 200, json: { data } };
  } catch (error) {
    if (error instanceof SelectionError) {
      return { status: 400, json: { errors: [errorOf(error.message, "GRAPHQL_VALIDATION_FAILED", 400)] } };
    }
    if (error instanceof InputFault) {
      return { status: 200, json: { errors: [errorOf(error.message, "INPUT_ERROR", 400)], data: null } };
    }
    throw error;
  }
}

function root(roots: Roots, kind: string, field: Field): Json {
  const resolve = roots[field.name];
  if (!resolve) {
    const name = kind === "query" ? "Query" : "Mutation";
    throw new SelectionError(`Cannot query field "${field.name}" on type "${name}".`);
  }
  return project(resolve(field.args), field.fields);
}

function queries(state: LinearState): Roots {
  const issues = () => state.issues.map((one) => type.issue(state, one));
  return {
    viewer: () => type.viewer,
    organization: () => type.organization,
    issue: (args) => type.issue(state, findIssue(state, args["id"])),
    issues: (args) => type.connection("Issue", args, issues()),
    issueVcsBranchSearch: (args) => branchSearch(state, asText(args["branchName"]) ?? ""),
    searchIssues: (args) => searchIssues(args, issues()),
    comment: (args) => {
      const found = state.comments.find((one) => one.id === args["id"]);
      if (!found) throw new InputFault("Entity not found: Comment - Could not find referenced Comment.");
      return type.comment(state, found);
    },
    comments: (args) =>
      type.connection(
        "Comment",
        args,
        state.comments.map((one) => type.comment(state, one)),
      ),
    attachmentsForURL: (args) =>
      type.connection(
        "Attachment",
        args,
        state.attachments.filter((one) => one.url === args["url"]).map((one) => type.attachment(state, one)),
      ),
    team: (args) => {
      const found = state.teams.find((one) => one.id === args["id"] || one.key === args["id"]);
      if (!found) throw new InputFault("Entity not found: Team - Could not find referenced Team.");
      return type.team(state, found);
    },
    teams: (args) =>
      type.connection(
        "Team",
        args,
        state.teams.map((one) => type.team(state, one)),
      ),
    workflowStates: (args) =>
      type.connection(
        "WorkflowState",
        args,
        state.states.map((one) => type.workflowState(state, one)),
      ),
  };
}

/** The issue whose branch name it is, else the one whose identifier the branch name holds. */
function branchSearch(state: LinearState, branch: string): Resolved {
  const text = branch.toLowerCase();
  const found =
    state.issues.find((one) => one.branchName.toLowerCase() === text) ??
    state.issues.find((one) => {
      const identifier = type.identifierOf(state, one).toLowerCase();
      return new RegExp(`(?:^|[^a-z0-9])${identifier}(?![0-9])`).test(text);
    });
  return found ? type.issue(state, found) : null;
}

function searchIssues(args: JsonObject, issues: readonly ResolvedObject[]): ResolvedObject {
  const term = (asText(args["term"]) ?? "").toLowerCase();
  const found = issues
    .filter((one) =>
      ["identifier", "title", "description"].some((name) => {
        const value = one[name];
        return typeof value === "string" && value.toLowerCase().includes(term);
      }),
    )
    .map((one) => ({ ...one, __typename: "IssueSearchResult", metadata: {} }));
  return { ...type.connection("IssueSearchResult", args, found), __typename: "IssueSearchPayload" };
}
