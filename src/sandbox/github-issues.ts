/** The conversation of a pull request (comments, labels), and check runs. */
import type { Json } from "../domain/json.ts";
import { asList, asNumber, asObject, asText } from "./bodies.ts";
import type { Context } from "./github-context.ts";
import { failure, invalid, issueOf, keyOf, markerOf, missingField, paged, repoOf } from "./github-context.ts";
import type { CheckRunRecord } from "./github-shapes.ts";
import { checkRun, issueComment } from "./github-shapes.ts";
import type { Answer, Call, Route } from "./call.ts";
import { isoTime, textOf } from "./call.ts";

export function conversationRoutes(context: Context): Route[] {
  const { state, base } = context;
  const known = (handle: (call: Call) => Answer) => (call: Call) =>
    state.pulls.some((one) => keyOf(one) === issueOf(call)) ? handle(call) : failure(404, "Not Found");
  const issue = "/repos/:owner/:repo/issues/:number";
  return [
    [
      "GET",
      `${issue}/comments`,
      known((call) =>
        paged(
          context,
          call,
          state.issueComments
            .filter((one) => one.issue === issueOf(call))
            .map((one) => issueComment(base(), one)),
        ),
      ),
    ],
    ["POST", `${issue}/comments`, known((call) => createComment(context, call))],
    ["PATCH", "/repos/:owner/:repo/issues/comments/:id", (call) => editComment(context, call)],
    ["POST", `${issue}/labels`, known((call) => addLabels(context, call))],
  ];
}

function createComment({ state, now, base }: Context, call: Call): Answer {
  const body = asText(asObject(call.body)["body"]);
  if (!body) return missingField("IssueComment", "body");
  const at = now();
  const record = { id: state.nextId++, issue: issueOf(call), body, createdAt: at, updatedAt: at };
  state.issueComments.push(record);
  state.effects.push({ vendor: "github", kind: "comment", target: record.issue, at, ...markerOf(body) });
  return { status: 201, json: issueComment(base(), record) };
}

function editComment({ state, now, base }: Context, call: Call): Answer {
  const record = state.issueComments.find((one) => String(one.id) === call.params["id"]);
  if (!record || !record.issue.startsWith(`${repoOf(call)}#`)) return failure(404, "Not Found");
  const body = asText(asObject(call.body)["body"]);
  if (!body) return missingField("IssueComment", "body");
  record.body = body;
  record.updatedAt = now();
  return { status: 200, json: issueComment(base(), record) };
}

/** Adds to the labels that are there; repeating it changes nothing. */
function addLabels({ state, now, base }: Context, call: Call): Answer {
  const given = Array.isArray(call.body) ? call.body : asList(asObject(call.body)["labels"]);
  const names = given.flatMap((label: Json) => asText(label) ?? asText(asObject(label)["name"]) ?? []);
  if (names.length === 0) return missingField("Label", "labels");
  const issue = issueOf(call);
  const before = state.labels[issue] ?? [];
  const added = names.filter((name) => !before.includes(name));
  const labels = [...new Set([...before, ...names])];
  state.labels[issue] = labels;
  for (const name of new Set(added)) {
    state.effects.push({ vendor: "github", kind: "label", target: issue, key: name, at: now() });
  }
  return {
    status: 200,
    json: labels.map((name, index) => ({
      id: index + 1,
      node_id: Buffer.from(`Label:${name}`).toString("base64"),
      url: `${base()}/repos/${repoOf(call)}/labels/${encodeURIComponent(name)}`,
      name,
      description: null,
      color: "ededed",
      default: false,
    })),
  };
}

export function checkRoutes(context: Context): Route[] {
  const { state, base } = context;
  const root = "/repos/:owner/:repo";
  return [
    ["POST", `${root}/check-runs`, (call) => createCheckRun(context, call)],
    [
      "PATCH",
      `${root}/check-runs/:id`,
      (call) => {
        const record = state.checkRuns.find((one) => String(one.id) === call.params["id"]);
        if (!record || record.repo !== repoOf(call)) return failure(404, "Not Found");
        const fields = { ...record.fields, ...asObject(call.body) };
        const fault = checkRunFault(fields);
        if (fault) return fault;
        record.fields = settled(context, fields);
        return { status: 200, json: checkRun(base(), record) };
      },
    ],
    [
      "GET",
      `${root}/commits/:ref/check-runs`,
      (call) => {
        const name = textOf(call, "check_name");
        const app = asNumber(call.query["app_id"]);
        const runs = state.checkRuns
          .filter((one) => one.repo === repoOf(call) && one.fields["head_sha"] === call.params["ref"])
          .filter((one) => name === undefined || one.fields["name"] === name)
          .filter(() => app === undefined || app === 1);
        return paged(
          context,
          call,
          runs.map((one) => checkRun(base(), one)),
          (page) => ({ total_count: runs.length, check_runs: page }),
        );
      },
    ],
  ];
}

function createCheckRun(context: Context, call: Call): Answer {
  const { state, now, base } = context;
  const fields = asObject(call.body);
  for (const field of ["name", "head_sha"]) {
    if (!asText(fields[field])) return missingField("CheckRun", field);
  }
  const fault = checkRunFault(fields);
  if (fault) return fault;
  const record: CheckRunRecord = {
    id: state.nextId++,
    repo: repoOf(call),
    fields: settled(context, fields),
    at: now(),
  };
  state.checkRuns.push(record);
  const key = asText(fields["external_id"]);
  state.effects.push({
    vendor: "github",
    kind: "check-run",
    target: `${record.repo}@${asText(fields["head_sha"]) ?? ""}`,
    at: now(),
    ...(key === undefined ? {} : { key }),
  });
  return { status: 201, json: checkRun(base(), record) };
}

function checkRunFault(fields: { readonly [name: string]: Json }): Answer | null {
  const annotations = asList(asObject(fields["output"])["annotations"]);
  if (annotations.length > 50)
    return invalid([{ resource: "CheckRun", field: "annotations", code: "too_many" }]);
  const unfinished = fields["status"] === "completed" && !asText(fields["conclusion"]);
  return unfinished ? missingField("CheckRun", "conclusion") : null;
}

/** A conclusion completes the run, whatever status came with it. */
function settled({ now }: Context, fields: { readonly [name: string]: Json }): { [name: string]: Json } {
  if (!asText(fields["conclusion"])) return { ...fields };
  return { completed_at: isoTime(now()), ...fields, status: "completed" };
}
