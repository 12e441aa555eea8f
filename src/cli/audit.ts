/** `signalbox audit list`: who did what, when, and why. */
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { queryOf, show } from "./lists.ts";
import type { ListOptions } from "./lists.ts";
import { connect } from "./service.ts";
import type { AuditRow, List } from "./service.ts";
import { age, moment, table } from "./tables.ts";
import type { Terminal } from "./terminal.ts";

export interface AuditOptions extends Pick<ListOptions, "url" | "since" | "until" | "limit" | "cursor"> {
  readonly by?: string;
  readonly deed?: string;
  readonly object?: string;
}

export async function listAudit(context: Context, options: AuditOptions): Promise<void> {
  const list = await connect(context, options.url).get<List<AuditRow>>(`/api/audit?${queryOf(options)}`);
  show(context, list, "deeds", auditTable);
}

/** `filter.agent pr-review, runs 12`: what a table cell has room for. */
function detailsText(details: unknown, path = ""): string {
  if (details === null || typeof details !== "object") return `${path} ${String(details)}`.trim();
  return Object.entries(details)
    .map(([name, value]) => detailsText(value, path === "" ? name : `${path}.${name}`))
    .join(", ");
}

function auditTable(terminal: Terminal, items: readonly AuditRow[]): string {
  const now = systemClock.now();
  return table(
    terminal,
    [{ title: "WHEN, WHO", width: 22 }, { title: "WHAT" }, { title: "AGE", width: 4 }],
    items.map((row) => [
      `${moment(row.at)}\n  ${row.by}`,
      [
        row.deed,
        ...(row.object === null ? [] : [row.object]),
        ...(row.reason === null ? [] : [row.reason]),
        ...(row.details === null ? [] : [detailsText(row.details)]),
      ].join("\n"),
      age(row.at, now),
    ]),
  );
}
