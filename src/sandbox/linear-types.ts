/** Linear's types as far as the stand-in knows them, made from its records; and the filters of its lists. */
import type { Json, JsonObject } from "../domain/json.ts";
import { isObject } from "../domain/json.ts";
import { asNumber, asText, asWord } from "./bodies.ts";
import type { Resolved, ResolvedObject } from "./graphql-selection.ts";
import type { Effect } from "./stand.ts";

export interface TeamRecord {
  id: string;
  key: string;
  name: string;
}

export interface StateRecord {
  id: string;
  team: string;
  name: string;
  type: string;
  position: number;
}

export interface IssueRecord {
  id: string;
  team: string;
  number: number;
  title: string;
  description: string | null;
  state: string;
  priority: number;
  branchName: string;
  labelIds: string[];
  createdAt: number;
  updatedAt: number;
}

export interface LinearCommentRecord {
  id: string;
  issue: string;
  body: string;
  createdAt: number;
  updatedAt: number;
}

export interface AttachmentRecord {
  id: string;
  issue: string;
  url: string;
  title: string;
  subtitle: string | null;
  metadata: JsonObject;
  createdAt: number;
  updatedAt: number;
}

export interface LinearState {
  nextId: number;
  teams: TeamRecord[];
  states: StateRecord[];
  issues: IssueRecord[];
  comments: LinearCommentRecord[];
  attachments: AttachmentRecord[];
  effects: Effect[];
}

const site = "https://linear.app/sandbox";
const time = (ms: number) => new Date(ms).toISOString();
const priorities = ["No priority", "Urgent", "High", "Medium", "Low"];

export const viewer: ResolvedObject = {
  __typename: "User",
  id: "00000000-0000-4000-8000-000000000001",
  name: "Signalbox",
  displayName: "signalbox",
  email: "signalbox@example.com",
  active: true,
  admin: false,
  isMe: true,
  app: true,
  guest: false,
  url: `${site}/profiles/signalbox`,
};

export const organization: ResolvedObject = {
  __typename: "Organization",
  id: "00000000-0000-4000-8000-000000000002",
  name: "Sandbox",
  urlKey: "sandbox",
};

export const identifierOf = (state: LinearState, issue: IssueRecord): string =>
  `${state.teams.find((team) => team.id === issue.team)?.key ?? "?"}-${issue.number}`;

export const team = (state: LinearState, record: TeamRecord): ResolvedObject => ({
  __typename: "Team",
  id: record.id,
  key: record.key,
  name: record.name,
  displayName: record.name,
  description: null,
  private: false,
  states: (args) => statesOf(state, record, args),
  issues: (args) =>
    connection(
      "Issue",
      args,
      state.issues.filter((one) => one.team === record.id).map((one) => issue(state, one)),
    ),
});

const statesOf = (state: LinearState, record: TeamRecord, args: JsonObject): Resolved =>
  connection(
    "WorkflowState",
    args,
    state.states.filter((one) => one.team === record.id).map((one) => workflowState(state, one)),
  );

export const workflowState = (state: LinearState, record: StateRecord): ResolvedObject => ({
  __typename: "WorkflowState",
  id: record.id,
  name: record.name,
  type: record.type,
  position: record.position,
  color: "#bec2c8",
  description: null,
  archivedAt: null,
  team: () => one(state.teams, record.team, (found) => team(state, found)),
});

export const issue = (state: LinearState, record: IssueRecord): ResolvedObject => ({
  __typename: "Issue",
  id: record.id,
  identifier: identifierOf(state, record),
  number: record.number,
  title: record.title,
  description: record.description,
  url: `${site}/issue/${identifierOf(state, record)}`,
  branchName: record.branchName,
  priority: record.priority,
  priorityLabel: priorities[record.priority] ?? "No priority",
  labelIds: record.labelIds,
  createdAt: time(record.createdAt),
  updatedAt: time(record.updatedAt),
  archivedAt: null,
  assignee: null,
  team: () => one(state.teams, record.team, (found) => team(state, found)),
  state: () => one(state.states, record.state, (found) => workflowState(state, found)),
  creator: viewer,
  comments: (args) =>
    connection(
      "Comment",
      args,
      state.comments.filter((one) => one.issue === record.id).map((one) => comment(state, one)),
    ),
  attachments: (args) =>
    connection(
      "Attachment",
      args,
      state.attachments.filter((one) => one.issue === record.id).map((one) => attachment(state, one)),
    ),
});

export const comment = (state: LinearState, record: LinearCommentRecord): ResolvedObject => ({
  __typename: "Comment",
  id: record.id,
  body: record.body,
  issueId: record.issue,
  url: `${site}/comment/${record.id}`,
  createdAt: time(record.createdAt),
  updatedAt: time(record.updatedAt),
  editedAt: record.updatedAt === record.createdAt ? null : time(record.updatedAt),
  archivedAt: null,
  parentId: null,
  user: viewer,
  issue: () => one(state.issues, record.issue, (found) => issue(state, found)),
});

export const attachment = (state: LinearState, record: AttachmentRecord): ResolvedObject => ({
  __typename: "Attachment",
  id: record.id,
  url: record.url,
  title: record.title,
  subtitle: record.subtitle,
  metadata: record.metadata,
  sourceType: null,
  groupBySource: false,
  createdAt: time(record.createdAt),
  updatedAt: time(record.updatedAt),
  archivedAt: null,
  issue: () => one(state.issues, record.issue, (found) => issue(state, found)),
});

const one = <R extends { id: string }>(
  list: readonly R[],
  id: string,
  make: (found: R) => Resolved,
): Resolved => {
  const found = list.find((record) => record.id === id);
  return found ? make(found) : null;
};

/** One page of a list (`first`, `after`, 50 by default), after its `filter`. */
export function connection(type: string, args: JsonObject, all: readonly ResolvedObject[]): ResolvedObject {
  const filter = args["filter"];
  const nodes = all.filter((node) => filter == null || meets(node, filter));
  const size = asNumber(args["first"]) ?? 50;
  const start = Number(asText(args["after"]) ?? "-1") + 1;
  const page = nodes.slice(start, start + size);
  const end = start + page.length;
  return {
    __typename: `${type}Connection`,
    nodes: page,
    edges: page.map((node, index) => ({ __typename: `${type}Edge`, node, cursor: String(start + index) })),
    pageInfo: {
      __typename: "PageInfo",
      hasNextPage: end < nodes.length,
      hasPreviousPage: start > 0,
      startCursor: page.length > 0 ? String(start) : null,
      endCursor: page.length > 0 ? String(end - 1) : null,
    },
    totalCount: nodes.length,
  };
}

function meets(value: Resolved | undefined, filter: Json): boolean {
  if (typeof value === "function") return meets(value({}), filter);
  if (!isObject(filter)) return true;
  return Object.entries(filter).every(([name, wanted]) => {
    if (name === "and") return Array.isArray(wanted) && wanted.every((part: Json) => meets(value, part));
    if (name === "or") return Array.isArray(wanted) && wanted.some((part: Json) => meets(value, part));
    const compare = comparators[name];
    if (compare) return compare(value ?? null, wanted);
    return value !== null && typeof value === "object" && !Array.isArray(value)
      ? meets((value as ResolvedObject)[name], wanted)
      : false;
  });
}

const words = (value: Resolved) =>
  typeof value === "string" || typeof value === "number" ? String(value) : "";
const lower = (value: Resolved) => words(value).toLowerCase();
const comparators: Readonly<Record<string, (value: Resolved, wanted: Json) => boolean>> = {
  eq: (value, wanted) => value === wanted,
  neq: (value, wanted) => value !== wanted,
  in: (value, wanted) => Array.isArray(wanted) && (wanted as readonly unknown[]).includes(value),
  nin: (value, wanted) => Array.isArray(wanted) && !(wanted as readonly unknown[]).includes(value),
  null: (value, wanted) => (value === null) === wanted,
  contains: (value, wanted) => words(value).includes(asWord(wanted)),
  containsIgnoreCase: (value, wanted) => lower(value).includes(lower(wanted)),
  eqIgnoreCase: (value, wanted) => lower(value) === lower(wanted),
  startsWith: (value, wanted) => words(value).startsWith(asWord(wanted)),
  gt: (value, wanted) => Number(value) > Number(wanted),
  gte: (value, wanted) => Number(value) >= Number(wanted),
  lt: (value, wanted) => Number(value) < Number(wanted),
  lte: (value, wanted) => Number(value) <= Number(wanted),
};
