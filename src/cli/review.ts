/** `signalbox review list|approve|reject`: a person's word on exactly the payload they saw. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { heldStatuses } from "../domain/action.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure, usage } from "./failure.ts";
import { everyItem, idOf } from "./lists.ts";
import { connect } from "./service.ts";
import type { ActionRow } from "./service.ts";
import { age, painted, table } from "./tables.ts";

export async function listReviews(
  context: Context,
  options: { url?: string; agent?: string },
): Promise<void> {
  const { terminal } = context;
  const service = connect(context, options.url);
  const items: ActionRow[] = [];
  for (const status of heldStatuses) {
    const agent = options.agent === undefined ? "" : `&agent=${encodeURIComponent(options.agent)}`;
    for await (const action of everyItem<ActionRow>(service, `/api/actions?status=${status}${agent}`))
      items.push(action);
  }
  if (terminal.json) {
    terminal.printJson({ items, next: null });
    return;
  }
  if (items.length === 0) {
    terminal.note("Nothing waits for a review.");
    return;
  }
  const now = systemClock.now();
  terminal.print(
    table(
      terminal,
      [{ title: "ACTION", width: 40 }, { title: "WHAT" }, { title: "AGE", width: 4 }],
      items.map((action) => [
        `${action.id}\n  ${action.agent}, ${painted(terminal, action.status)}`,
        `${action.kind}\n${action.subject}`,
        age(action.createdAt, now),
      ]),
    ),
  );
  terminal.note("\nRead and decide: signalbox review approve ID | reject ID [--reason TEXT]");
}

export interface ApproveOptions {
  readonly url?: string;
  readonly hash?: string;
  readonly edit?: string;
}

export async function approve(context: Context, id: string, options: ApproveOptions): Promise<void> {
  const { terminal } = context;
  const path = `/api/actions/${idOf(id, "act")}`;
  const edited = options.edit === undefined ? undefined : readEdit(resolve(context.cwd, options.edit));
  const service = connect(context, options.url);
  const hash = options.hash ?? (await askForHash(context, await service.get<ActionRow>(path), edited));
  const action = await service.post<ActionRow>(`${path}/approve`, {
    hash,
    ...(edited === undefined ? {} : { edited }),
  });
  if (terminal.json) terminal.printJson(action);
  else terminal.print(`${action.id}  ${action.kind} approved${edited === undefined ? "" : " as edited"}`);
}

/** Shows what would be sent, and asks. Nobody can be asked in a script: there the hash says what was seen. */
async function askForHash(context: Context, action: ActionRow, edited: object | undefined): Promise<string> {
  const { terminal } = context;
  if (!terminal.interactive) {
    throw usage(
      "without a terminal, --hash says which payload is approved",
      `Read it with \`signalbox review list --json\`, then give its \`hash\`.`,
    );
  }
  const uncertain = action.status === "uncertain";
  terminal.note(`${terminal.notePaint.bold(action.kind)}  ${action.subject}`);
  terminal.note(`by ${action.agent}, in ${action.run}`);
  if (action.reason !== null) terminal.note(action.reason);
  terminal.note(`\n${JSON.stringify(edited ?? action.input, null, 2)}\n`);
  const question = uncertain ? "It may have been done already. Do it again?" : "Do exactly this?";
  if (!(await terminal.confirm(question))) throw new Failure("nothing was approved");
  return action.hash;
}

function readEdit(file: string): object {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof SyntaxError ? "is no JSON" : "can't be read";
    throw usage(`${file} ${why}`, "--edit takes a file with the action's whole input as a JSON object.");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw usage(`${file} holds no object`, "--edit takes the action's whole input as a JSON object.");
  return value;
}

export async function reject(
  context: Context,
  id: string,
  options: { url?: string; reason?: string },
): Promise<void> {
  const { terminal } = context;
  const path = `/api/actions/${idOf(id, "act")}/reject`;
  const action = await connect(context, options.url).post<ActionRow>(path, { reason: options.reason });
  if (terminal.json) terminal.printJson(action);
  else terminal.print(`${action.id}  ${action.kind} rejected`);
}
