/** Linear's mutations. */
import type { Json, JsonObject } from "../domain/json.ts";
import { asList, asObject, asText } from "./bodies.ts";
import type { ResolvedObject } from "./graphql-selection.ts";
import type { Roots } from "./linear-roots.ts";
import { findIssue, InputFault, nextUuid, priorityOf } from "./linear-roots.ts";
import type { IssueRecord, LinearState } from "./linear-types.ts";
import * as type from "./linear-types.ts";

const uuid4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/i;

export function changes(state: LinearState, now: () => number): Roots {
  const input = (args: JsonObject) => asObject(args["input"]);
  return {
    issueCreate: (args) => createIssue(state, now(), input(args)),
    issueUpdate: (args) => updateIssue(state, now(), findIssue(state, args["id"]), input(args)),
    commentCreate: (args) => createComment(state, now(), input(args)),
    commentUpdate: (args) => updateComment(state, now(), args["id"], input(args)),
    attachmentCreate: (args) => createAttachment(state, now(), input(args)),
  };
}

const payload = (typename: string, fields: ResolvedObject) => ({
  __typename: typename,
  success: true,
  lastSyncId: 1,
  ...fields,
});

/** The client's id, checked, or one of ours. */
function idFor(
  state: LinearState,
  kind: string,
  known: readonly { id: string }[],
  given: Json | undefined,
): string {
  const id = asText(given);
  if (id === undefined) return nextUuid(state);
  if (!uuid4.test(id)) throw new InputFault("Argument Validation Error: id must be a UUID v4");
  if (known.some((one) => one.id === id)) {
    throw new InputFault(`Entity already exists: ${kind} - An entity with this id already exists.`);
  }
  return id;
}

function textIn(input: JsonObject, name: string): string {
  const text = asText(input[name]);
  if (!text) throw new InputFault(`Argument Validation Error: ${name} must be a string`);
  return text;
}

function stateOf(state: LinearState, team: string, wanted: Json | undefined): string {
  const found = state.states.find((one) =>
    wanted == null ? one.team === team && one.name === "Todo" : one.id === wanted,
  );
  if (!found || found.team !== team) {
    throw new InputFault("Entity not found: WorkflowState - The state does not belong to the issue's team.");
  }
  return found.id;
}

function createIssue(state: LinearState, at: number, input: JsonObject) {
  const team = state.teams.find((one) => one.id === input["teamId"]);
  if (!team) throw new InputFault("Entity not found: Team - Could not find referenced Team.");
  const id = idFor(state, "Issue", state.issues, input["id"]);
  const number =
    Math.max(0, ...state.issues.filter((one) => one.team === team.id).map((one) => one.number)) + 1;
  const record: IssueRecord = {
    id,
    team: team.id,
    number,
    title: textIn(input, "title"),
    description: asText(input["description"]) ?? null,
    state: stateOf(state, team.id, input["stateId"]),
    priority: priorityOf(input["priority"]) ?? 0,
    branchName: `signalbox/${team.key.toLowerCase()}-${number}`,
    labelIds: texts(input["labelIds"]),
    createdAt: at,
    updatedAt: at,
  };
  state.issues.push(record);
  effect(state, "issue", record.id, at, id);
  return payload("IssuePayload", { issue: type.issue(state, record) });
}

/** Sets what is named. Only a change that shows is an effect, so that a repeat counts as none. */
function updateIssue(state: LinearState, at: number, record: IssueRecord, input: JsonObject) {
  const before = JSON.stringify(record);
  const labels = input["labelIds"] === undefined ? record.labelIds : texts(input["labelIds"]);
  const removed = texts(input["removedLabelIds"]);
  record.labelIds = [...new Set([...labels, ...texts(input["addedLabelIds"])])].filter(
    (label) => !removed.includes(label),
  );
  record.title = asText(input["title"]) ?? record.title;
  if (input["description"] !== undefined) record.description = asText(input["description"]) ?? null;
  if (input["stateId"] != null) record.state = stateOf(state, record.team, input["stateId"]);
  record.priority = priorityOf(input["priority"]) ?? record.priority;
  if (JSON.stringify(record) !== before) {
    record.updatedAt = at;
    effect(state, "issue.update", record.id, at);
  }
  return payload("IssuePayload", { issue: type.issue(state, record) });
}

function createComment(state: LinearState, at: number, input: JsonObject) {
  const issue = findIssue(state, input["issueId"]);
  const id = idFor(state, "Comment", state.comments, input["id"]);
  const record = { id, issue: issue.id, body: textIn(input, "body"), createdAt: at, updatedAt: at };
  state.comments.push(record);
  effect(state, "comment", issue.id, at, id);
  return payload("CommentPayload", { comment: type.comment(state, record) });
}

function updateComment(state: LinearState, at: number, id: Json | undefined, input: JsonObject) {
  const record = state.comments.find((one) => one.id === id);
  if (!record) throw new InputFault("Entity not found: Comment - Could not find referenced Comment.");
  const body = asText(input["body"]) ?? record.body;
  if (body !== record.body) {
    record.body = body;
    record.updatedAt = at;
    effect(state, "comment.update", record.issue, at, record.id);
  }
  return payload("CommentPayload", { comment: type.comment(state, record) });
}

function createAttachment(state: LinearState, at: number, input: JsonObject) {
  const issue = findIssue(state, input["issueId"]);
  const url = textIn(input, "url");
  const fields = {
    title: textIn(input, "title"),
    subtitle: asText(input["subtitle"]) ?? null,
    metadata: asObject(input["metadata"]),
  };
  const known = state.attachments.find((one) => one.issue === issue.id && one.url === url);
  if (known) {
    const before = JSON.stringify(known);
    Object.assign(known, fields);
    if (JSON.stringify(known) !== before) {
      known.updatedAt = at;
      effect(state, "attachment.update", issue.id, at, known.id);
    }
    return payload("AttachmentPayload", { attachment: type.attachment(state, known) });
  }
  const id = idFor(state, "Attachment", state.attachments, input["id"]);
  const record = { id, issue: issue.id, url, ...fields, createdAt: at, updatedAt: at };
  state.attachments.push(record);
  effect(state, "attachment", issue.id, at, id);
  return payload("AttachmentPayload", { attachment: type.attachment(state, record) });
}

const texts = (value: Json | undefined): string[] => asList(value).flatMap((item) => asText(item) ?? []);

function effect(state: LinearState, kind: string, issue: string, at: number, key?: string): void {
  const record = state.issues.find((one) => one.id === issue);
  const target = record ? type.identifierOf(state, record) : issue;
  state.effects.push({ vendor: "linear", kind, target, at, ...(key === undefined ? {} : { key }) });
}
