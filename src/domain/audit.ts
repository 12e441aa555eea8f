/** What people did to the service, kept so that it can be asked later who did what, when, and why. */
import type { JsonObject } from "./json.ts";

export const deeds = [
  "login",
  "action.approve",
  "action.reject",
  "run.cancel",
  "dead-letter.discard",
  "replay.start",
  "replay.cancel",
  "replay.resume",
  "source.heal",
  "pause",
  "resume",
  "forget",
  "config.reload",
  "rekey",
] as const;
export type Deed = (typeof deeds)[number];

export interface AuditEntry {
  /**
   * How the person was known: `api` (the token), `cli` (the token, by our own command line), `dashboard` (a cookie),
   * `shell` (on the machine itself), `file` (a changed file), or `slack:USER`.
   */
  readonly by: string;
  /** Where the request came from; null where there was none. */
  readonly address: string | null;
  readonly deed: Deed;
  /** The id or the name of what it was done to; null where it was nothing in particular. */
  readonly object: string | null;
  readonly reason: string | null;
  /** What else says what was done: a filter, a count, a hash. Holds no secret. */
  readonly details: JsonObject | null;
}

export interface AuditRecord extends AuditEntry {
  /** `aud_` and a time-ordered UUID. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Recorded after the deed, before it is answered: what is answered was recorded. Throws JournalUnavailable. */
export interface Audit {
  record(entry: AuditEntry): Promise<void>;
}

/** Newest first. Times in milliseconds since the epoch. */
export interface AuditQuery {
  readonly limit: number;
  readonly cursor?: string;
  readonly by?: string;
  readonly deed?: Deed;
  readonly object?: string;
  readonly since?: number;
  readonly until?: number;
}
