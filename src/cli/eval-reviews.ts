/** `signalbox eval --from-reviews DIR`: what reviewers edited and rejected, written as cases for a person to complete. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { agents } from "../../agents/index.ts";
import { parseYaml, yamlOf } from "../config/yaml.ts";
import type { AgentDefinition } from "../domain/agent.ts";
import type { AuditRecord } from "../domain/audit.ts";
import { isObject } from "../domain/json.ts";
import type { Json } from "../domain/json.ts";
import type { Decider, Reads, RunRecord } from "../domain/ports.ts";
import { correctionOf } from "../eval/corrections.ts";
import type { Review } from "../eval/corrections.ts";
import { play } from "../eval/play.ts";
import type { Settings } from "../in-force.ts";
import { packagePrompts } from "../package.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import { readSettings } from "./settings.ts";
import { openStored, parsedBody, timeOf } from "./stored.ts";
import { counted } from "./tables.ts";
import { wrap } from "./terminal.ts";

export interface FromReviewsOptions {
  readonly fromReviews: string;
  readonly since: string;
}

export async function casesFromReviews(
  context: Context,
  name: string | undefined,
  options: FromReviewsOptions,
): Promise<void> {
  const { terminal, cwd } = context;
  const since = timeOf("--since", options.since);
  const settings = await readSettings(context);
  const folder = resolve(cwd, options.fromReviews);
  const stored = await openStored(context);
  const written: string[] = [];
  const kept: string[] = [];
  const left: { run: string; why: string }[] = [];
  try {
    for (const [id, verdicts] of await reviewsByRun(stored.reads, since)) {
      const record = await stored.reads.run(id);
      const agent = agents.find((each) => each.name === record?.run.agent);
      if (record === null || agent === undefined || (name !== undefined && agent.name !== name)) continue;
      const made = await caseOf(stored.reads, settings, { agent, record, verdicts });
      if (typeof made === "string") left.push({ run: id, why: made });
      else if (made !== null)
        (writeNew(join(folder, agent.name), agent, made) ? written : kept).push(
          relative(cwd, join(folder, agent.name, made.name)),
        );
    }
  } finally {
    await stored.close();
  }
  if (terminal.json) {
    terminal.printJson({ written, kept, left });
    return;
  }
  for (const file of written) terminal.print(`${terminal.paint.green("wrote")}  ${file}`);
  for (const file of kept) terminal.print(`${terminal.paint.dim("kept")}   ${file}`);
  for (const { run, why } of left) terminal.note(`${run} makes no case: ${why}`);
  if (written.length + kept.length + left.length === 0)
    terminal.note("No reviewer edited or rejected anything since then.");
  if (written.length > 0)
    terminal.note(
      wrap(
        `\n${counted(written.length, "case")} to complete: each says what was decided; write below \`expect\` what would have been right.\n` +
          "They hold what the agents were given: names, addresses and texts of people, which now lie in " +
          `${options.fromReviews} and are not erased by retention. Keep that folder out of public repositories.`,
        terminal.width,
      ),
    );
}

/** A person's words, by run and then by action: the last on each counts. */
async function reviewsByRun(reads: Reads, since: number): Promise<Map<string, Map<string, AuditRecord>>> {
  const byRun = new Map<string, Map<string, AuditRecord>>();
  for (const deed of ["action.reject", "action.approve"] as const) {
    let cursor: string | null = null;
    do {
      const page: { items: AuditRecord[]; next: string | null } = await reads.audit({
        deed,
        since,
        limit: 200,
        ...(cursor === null ? {} : { cursor }),
      });
      for (const entry of page.items) {
        const action = entry.object === null ? null : await reads.action(entry.object);
        if (action === null) continue;
        const own = byRun.get(action.run) ?? new Map<string, AuditRecord>();
        const known = own.get(action.id);
        if (known === undefined || known.at < entry.at) own.set(action.id, entry);
        byRun.set(action.run, own);
      }
      cursor = page.next;
    } while (cursor !== null);
  }
  return byRun;
}

interface CaseFile {
  readonly name: string;
  readonly text: string;
}

/** Null where nothing was corrected; a text: why there can't be a case. */
async function caseOf(
  reads: Reads,
  { prompts }: Settings,
  {
    agent,
    record,
    verdicts,
  }: { agent: AgentDefinition; record: RunRecord; verdicts: ReadonlyMap<string, AuditRecord> },
): Promise<CaseFile | string | null> {
  const { run, steps, actions } = record;
  const outputOf = (step: string): Json => steps.find(({ name }) => name === step)?.output ?? null;
  const [facts, decided] = [outputOf("gather"), outputOf("decide")];
  const event = await reads.event(run.event);
  const payload = event === null ? null : parsedBody(event.body);
  if (event === null || payload === null || facts === null || decided === null || !isObject(decided))
    return "what it stood on is erased, or was never recorded";
  const decision = decided["decision"] ?? null;
  const before = await play({
    agent,
    policy: prompts.get(agent.name)?.policy ?? agent.policy.parse({}),
    event: { id: event.id, source: event.source, type: event.type, receivedAt: event.receivedAt, payload },
    now: run.createdAt,
    steps: { gather: facts },
    read: null,
    decider: given(decision, run.decidedBy ?? "rules"),
    by: "model",
    clock: systemClock,
    signal: new AbortController().signal,
  }).catch(() => null);
  if (before === null) return "what was decided can't be planned from any more";
  const reviews = actions.flatMap((action): Review[] => {
    const entry = verdicts.get(action.id);
    if (entry === undefined) return [];
    if (entry.deed === "action.reject") return [{ action, verdict: "rejected", reason: entry.reason }];
    return [{ action, verdict: entry.details?.["edited"] === true ? "edited" : "approved", reason: null }];
  });
  const correction = correctionOf(reviews, before.actions);
  if (correction === null) return null;
  const { why, ...expected } = correction;
  const lists = Object.fromEntries(Object.entries(expected).filter(([, list]) => list.length > 0));
  const id = `review-${run.id.replace(/^run_/, "").toLowerCase()}`;
  const now = new Date(run.createdAt).toISOString();
  const entry = { id, why, tags: ["review"], now, type: event.type, payload, facts, ...lists };
  return { name: `${id}.yaml`, text: `${comment(decision)}${yamlOf({ cases: [entry] })}` };
}

/** Decides as it was decided. */
const given = (decision: Json, decidedBy: "model" | "rules"): Decider => ({
  decide: () => Promise.resolve({ decision, decidedBy, why: "as recorded", prompt: null, usage: null }),
});

const comment = (decision: Json): string =>
  [
    "# From a review. What should have been decided is for you to say: add `expect:` to the case, with the fields that",
    "# matter. It holds what the agent was given, and so may hold personal data. What was decided:",
    ...yamlOf(decision)
      .trimEnd()
      .split("\n")
      .map((line) => `#   ${line}`),
    "",
  ].join("\n");

/** False when there is a file of this name already: a person may have completed it. */
function writeNew(folder: string, agent: AgentDefinition, { name, text }: CaseFile): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeIfMissing(join(folder, "defaults.yaml"), yamlOf(defaultsOf(agent)));
    return writeIfMissing(join(folder, name), text);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new Failure(`the case could not be written to ${dirname(join(folder, name))} (${code})`, {
      cause: error,
    });
  }
}

function writeIfMissing(file: string, text: string): boolean {
  try {
    writeFileSync(file, text, { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Nothing in common: each case from a review says all of it. */
const defaultsOf = ({ name, accepts }: AgentDefinition) => ({
  agent: name,
  label: labelOf(name),
  now: new Date(systemClock.now()).toISOString(),
  type: accepts[0] ?? "event",
});

/** That of the cases that come with the agent. */
function labelOf(agent: string): string {
  const file = join(packagePrompts, "evals", agent, "defaults.yaml");
  const { value } = parseYaml(readFileSync(file, "utf8"), file);
  return (value as { label: string }).label;
}
