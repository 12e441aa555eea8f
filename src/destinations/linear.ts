/** Linear over plain fetch: its SDK asks for a newer Node, and GraphQL needs no more than a POST. */
import { z } from "zod";
import { actionKinds } from "../domain/action-kinds.ts";
import type { ActionRef } from "../domain/action.ts";
import type { FaultKind } from "../domain/errors.ts";
import { ServiceError } from "../domain/errors.ts";
import { sha256 } from "../domain/json.ts";
import type { JsonObject } from "../domain/json.ts";
import type { ActionExecutor, Call, Destination } from "../domain/ports.ts";
import type { LinearIssue, LinearReads } from "../domain/readers.ts";
import type { Clock } from "../resilience/clock.ts";
import type { Deps, Intent, Refusal } from "./http.ts";
import {
  UnexpectedAnswer,
  createAttempt,
  filled,
  orExisting,
  requestJson,
  retryAfter,
  trimSlash,
} from "./http.ts";

export interface LinearOptions {
  /** A personal API key, or an OAuth token. */
  readonly apiKey?: string | undefined;
  /** The GraphQL endpoint; `/graphql` is added when it is missing. */
  readonly baseUrl?: string | undefined;
}

const issueFields = "id identifier title url team { id } state { id name type }";

export const documents = {
  issueByBranch: `query IssueByBranch($branch: String!) { issueVcsBranchSearch(branchName: $branch) { ${issueFields} } }`,
  issue: `query IssueById($id: String!) { issue(id: $id) { ${issueFields} } }`,
  states: `query TeamStates($team: ID!) {
    workflowStates(first: 100, filter: { team: { id: { eq: $team } } }) { nodes { id name type position } }
  }`,
  comment: `query CommentById($id: String!) { comment(id: $id) { id url } }`,
  commentCreate: `mutation CreateComment($input: CommentCreateInput!) {
    commentCreate(input: $input) { success comment { id url } }
  }`,
  attachmentCreate: `mutation LinkAttachment($input: AttachmentCreateInput!) {
    attachmentCreate(input: $input) { success attachment { id url } }
  }`,
  issueUpdate: `mutation MoveIssue($id: String!, $input: IssueUpdateInput!) {
    issueUpdate(id: $id, input: $input) { success issue { id url } }
  }`,
} as const;

const Ref = z.object({ id: z.string(), url: z.string() });
const Issue = z.object({
  id: z.string(),
  identifier: z.string(),
  title: z.string(),
  url: z.string(),
  team: z.object({ id: z.string() }),
  state: z.object({ id: z.string(), name: z.string(), type: z.string() }),
});
const State = z.object({ id: z.string(), name: z.string(), type: z.string(), position: z.number() });
const Errors = z.object({
  errors: z
    .array(
      z.object({
        message: z.string(),
        extensions: z
          .object({ code: z.string(), type: z.string(), userPresentableMessage: z.string() })
          .partial()
          .optional(),
      }),
    )
    .min(1),
});

class GraphqlRefusal extends Error {
  readonly kind: FaultKind;
  constructor(first: z.output<typeof Errors>["errors"][number]) {
    const { code, type, userPresentableMessage } = first.extensions ?? {};
    super([first.message, userPresentableMessage].filter(Boolean).join(": "));
    this.kind = kindOf(`${code ?? ""} ${type ?? ""}`.toLowerCase());
  }
}

function kindOf(code: string): FaultKind {
  if (/rate.?limited|usage.?limit/.test(code)) return "rate-limited";
  if (/authenticat|forbidden|feature not accessible/.test(code)) return "unauthorized";
  if (/internal|bootstrap|lock.?timeout|network/.test(code)) return "unavailable";
  return "invalid";
}

type Variables = Readonly<Record<string, unknown>>;
type Send = <T>(
  call: Call,
  intent: Intent,
  document: string,
  variables: Variables,
  shape: z.ZodType<T>,
) => Promise<T>;

export function linear(options: LinearOptions, deps: Deps): Destination {
  const configured = filled(options.apiKey);
  const send = createSend(options, deps);
  return {
    name: "linear",
    configured,
    actions: {
      "linear.comment": comment(send),
      "linear.attachment": attachment(send),
      "linear.state": state(send),
    },
    reads: (call) => (configured ? reads(send, call) : null),
  };
}

function createSend(options: LinearOptions, deps: Deps): Send {
  const base = trimSlash(options.baseUrl || "https://api.linear.app");
  const url = base.endsWith("/graphql") ? base : `${base}/graphql`;
  const apiKey = options.apiKey ?? "";
  const authorization = apiKey.startsWith("lin_oauth_") ? `Bearer ${apiKey}` : apiKey;
  const attempt = createAttempt("linear", deps, {
    secrets: [apiKey],
    read: (error) => readRefusal(error, deps.clock),
    counted: "all",
  });
  return (call, intent, query, variables, shape) =>
    attempt(call, intent, async () => {
      const body = await requestJson(url, {
        method: "POST",
        headers: { authorization },
        body: { query, variables },
      });
      if (Errors.safeParse(body).success) throw new UnexpectedAnswer(200, new Headers(), body);
      return z.object({ data: shape }).parse(body).data;
    });
}

/** A GraphQL error says more than the status it comes with: rate limits, for one, come with 400. */
function readRefusal(error: unknown, clock: Clock): Refusal | null {
  if (!(error instanceof UnexpectedAnswer)) return null;
  const header = (name: string): string | null => error.headers.get(name);
  const first = Errors.safeParse(error.body).data?.errors[0];
  if (!first) {
    const detail = error.body === undefined ? "the answer is not JSON" : "";
    return { status: error.status, detail, header };
  }
  const refusal = new GraphqlRefusal(first);
  const reset = Number(header("x-ratelimit-requests-reset") ?? Number.NaN);
  const limited = refusal.kind === "rate-limited" || error.status === 429;
  const wait = limited && Number.isFinite(reset) ? Math.max(0, reset - clock.now()) : null;
  return {
    status: error.status,
    detail: refusal.message,
    header,
    // A plain "invalid" leaves the word to the status: a 401 or a 503 means what it says.
    ...(refusal.kind === "invalid" && error.status !== 200 ? {} : { kind: refusal.kind }),
    ...(wait === null || retryAfter(header("retry-after"), clock) !== null ? {} : { retryAfterMs: wait }),
  };
}

/** A UUID in v4 format that the same key always gives: the id under which Linear creates the object once. */
export function uuidOf(key: string): string {
  const hex = sha256("linear", key);
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join("-");
}

const isMissing = (error: unknown): boolean =>
  error instanceof ServiceError &&
  error.kind === "invalid" &&
  /not found|could not find/i.test(error.message);

function comment(send: Send): ActionExecutor {
  const find = async (_input: JsonObject, key: string, call: Call): Promise<ActionRef | null> => {
    try {
      const shape = z.object({ comment: Ref.nullable() });
      return (await send(call, "read", documents.comment, { id: uuidOf(key) }, shape)).comment;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  };
  return {
    repeat: "vendor-key",
    settleMs: 1_000,
    lookup: find,
    async execute(input, key, call) {
      const { issueId, body } = actionKinds["linear.comment"].parse(input);
      const shape = z.object({ commentCreate: z.object({ success: z.literal(true), comment: Ref }) });
      const variables = { input: { id: uuidOf(key), issueId, body } };
      const create = send(call, "write", documents.commentCreate, variables, shape);
      // How Linear says that an id is taken is not documented, so any refusal is looked into.
      return orExisting(
        create.then((answer) => answer.commentCreate.comment),
        () => find(input, key, call),
      );
    },
  };
}

const attachment = (send: Send): ActionExecutor => ({
  repeat: "natural",
  settleMs: 1_000,
  async execute(input, _key, call) {
    const { issueId, url, title, subtitle } = actionKinds["linear.attachment"].parse(input);
    const shape = z.object({ attachmentCreate: z.object({ success: z.literal(true), attachment: Ref }) });
    const variables = { input: { issueId, url, title, subtitle } };
    return (await send(call, "write", documents.attachmentCreate, variables, shape)).attachmentCreate
      .attachment;
  },
});

const state = (send: Send): ActionExecutor => ({
  repeat: "natural",
  settleMs: 1_000,
  async execute(input, _key, call) {
    const { issueId, stateId } = actionKinds["linear.state"].parse(input);
    const shape = z.object({ issueUpdate: z.object({ success: z.literal(true), issue: Ref }) });
    const variables = { id: issueId, input: { stateId } };
    return (await send(call, "write", documents.issueUpdate, variables, shape)).issueUpdate.issue;
  },
});

const toIssue = ({ team, ...issue }: z.output<typeof Issue>): LinearIssue => ({ ...issue, teamId: team.id });

const reads = (send: Send, call: Call): LinearReads => ({
  async issueByBranch(branch) {
    const shape = z.object({ issueVcsBranchSearch: Issue.nullable() });
    const found = await send(call, "read", documents.issueByBranch, { branch }, shape);
    return found.issueVcsBranchSearch ? toIssue(found.issueVcsBranchSearch) : null;
  },
  async issueByIdentifier(identifier) {
    try {
      const shape = z.object({ issue: Issue.nullable() });
      const { issue } = await send(call, "read", documents.issue, { id: identifier }, shape);
      return issue ? toIssue(issue) : null;
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  },
  async states(team) {
    const shape = z.object({ workflowStates: z.object({ nodes: z.array(State) }) });
    const { workflowStates } = await send(call, "read", documents.states, { team }, shape);
    return workflowStates.nodes.toSorted((a, b) => a.position - b.position);
  },
});
