/** `signalbox heal [SOURCE]`: has the running service fetch what providers did not manage to deliver. */
import type { Context } from "./context.ts";
import { Failure, exitCodes, usage } from "./failure.ts";
import type { ExitCode } from "./failure.ts";
import { connect } from "./service.ts";
import type { List, Service, SourceRow } from "./service.ts";
import { table } from "./tables.ts";
import { wrap } from "./terminal.ts";

interface Counts {
  readonly read: number;
  readonly new: number;
  readonly known: number;
  /** Runs of known events that were started again. */
  readonly restarted: number;
}
type Outcome =
  | ({ readonly source: string } & Counts)
  | { readonly source: string; readonly error: string; readonly hint: string | null };

export async function heal(
  context: Context,
  source: string | undefined,
  options: { since?: string; url?: string },
): Promise<ExitCode> {
  const service = connect(context, options.url);
  const { items } = await service.get<List<SourceRow>>("/api/sources");
  const { chosen, skipped } = choose(items, source);
  const outcomes: Outcome[] = [];
  for (const { name } of chosen) outcomes.push(await healOne(service, name, options.since));
  const failed = outcomes.filter((one) => "error" in one);
  const [only] = failed;
  if (source !== undefined && only)
    throw new Failure(only.error, only.hint === null ? {} : { hint: only.hint });
  show(context, outcomes, skipped);
  return failed.length === 0 ? exitCodes.ok : exitCodes.failure;
}

/** Throws a Failure where there is nothing to do. */
function choose(
  rows: readonly SourceRow[],
  wanted: string | undefined,
): { chosen: readonly SourceRow[]; skipped: readonly SourceRow[] } {
  if (wanted === undefined) {
    const chosen = rows.filter(({ unhealed }) => unhealed === null);
    const skipped = rows.filter(({ unhealed }) => unhealed !== null);
    if (chosen.length > 0) return { chosen, skipped };
    const reasons = skipped.map(({ name, unhealed }) => `${name}: ${unhealed ?? ""}`);
    throw new Failure("no source can be healed", reasons.length === 0 ? {} : { hint: reasons.join("\n") });
  }
  const row = rows.find(({ name }) => name === wanted);
  if (!row) {
    const names = rows.map(({ name }) => name).join(", ") || "none";
    throw usage(`the service has no source ${wanted}`, `There are: ${names}.`);
  }
  if (row.unhealed === null) return { chosen: [row], skipped: [] };
  throw new Failure(`source ${wanted} can't be healed: ${row.unhealed}`, hintFor(row));
}

const hintFor = ({ active, unhealed }: SourceRow): { hint?: string } => {
  if (!active) return { hint: "Set its credentials, for the service; `signalbox check` names them." };
  return unhealed?.includes("`healing.")
    ? {
        hint: "Set them under the source in signalbox.yaml; the service takes the changed file up by itself.",
      }
    : {};
};

interface Round {
  readonly read: number;
  readonly healed: number;
  readonly known: number;
  readonly restarted: number;
  readonly more: boolean;
}

/** Round after round until the record is read to its end. Only a wrong use of the command is thrown. */
async function healOne(service: Service, source: string, since: string | undefined): Promise<Outcome> {
  const total = { read: 0, new: 0, known: 0, restarted: 0 };
  try {
    for (;;) {
      const round = await service.post<Round>(
        `/api/sources/${encodeURIComponent(source)}/heal`,
        since === undefined ? {} : { since },
      );
      total.read += round.read;
      total.new += round.healed;
      total.known += round.known;
      total.restarted += round.restarted;
      if (!round.more) return { source, ...total };
    }
  } catch (error) {
    if (!(error instanceof Failure) || error.exitCode === exitCodes.usage) throw error;
    return { source, error: error.message, hint: error.hint };
  }
}

function show({ terminal }: Context, outcomes: readonly Outcome[], skipped: readonly SourceRow[]): void {
  if (terminal.json) {
    terminal.printJson({
      items: outcomes,
      skipped: skipped.map(({ name, unhealed }) => ({ source: name, reason: unhealed })),
    });
    return;
  }
  const columns = [{ title: "SOURCE" }, ...["READ", "NEW", "KNOWN"].map((title) => ({ title, width: 8 }))];
  const done = outcomes.filter((one) => "read" in one);
  const rows = done.map((one) => [one.source, String(one.read), String(one.new), String(one.known)]);
  if (rows.length > 0) terminal.print(table(terminal, columns, rows));
  for (const { source, restarted } of done) {
    const runs = restarted === 1 ? "1 run" : `${restarted} runs`;
    if (restarted > 0) terminal.note(`${source}: ${runs} of known events went dead before and begin again`);
  }
  for (const one of outcomes) {
    if ("error" in one) terminal.complain(wrap(`${one.source}: ${one.error}`, terminal.width, "  "));
  }
  for (const { name, unhealed } of skipped) {
    terminal.note(wrap(`${name} is left out: ${unhealed ?? ""}`, terminal.width, "  "));
  }
}
