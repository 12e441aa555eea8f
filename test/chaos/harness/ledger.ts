/** What senders were told, on disk before anything else is done with it: one line of JSON per acknowledgement. */
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

export interface Acknowledged {
  /** What was sent, whoever sent it and however often: a name of the harness. */
  readonly item: string;
  readonly source: string;
  /** The events that the answer named. */
  readonly events: readonly string[];
  /** The agent whose work the event has to start; null when it only has to be stored. */
  readonly agent: string | null;
  /** Ids of the mails that a notification announced: they have to be found as events of their own. */
  readonly mails: readonly string[];
}

export interface Ledger {
  readonly lines: readonly Acknowledged[];
  add(line: Acknowledged): void;
}

export function openLedger(file: string): Ledger {
  mkdirSync(dirname(file), { recursive: true });
  const lines: Acknowledged[] = [];
  return {
    lines,
    add(line) {
      appendFileSync(file, `${JSON.stringify(line)}\n`);
      lines.push(line);
    },
  };
}
