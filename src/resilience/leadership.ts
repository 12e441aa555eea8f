/**
 * Who does what is done once in a fleet, as a pure state machine over one record of the journal, `{ holder }`, that is
 * changed by compare-and-set only:
 *
 * following  another process holds the record, or nobody does. It is looked at every `lookMs`. One that is free is
 *            claimed; one that stayed the same for as many looks as a lease lasts is claimed too: its holder is dead.
 * leading    we hold it until `until`, and renew it every `renewMs` before. Whoever can't renew in time stops by itself,
 *            `marginMs` before anybody else may begin.
 *
 * No two clocks are compared: the holder counts from before its write, the others from after they saw it, each in its
 * own time. The others count looks, so that setting a clock forward ends nobody's lease.
 */
export type Leadership =
  | { readonly state: "following"; readonly version: number | null; readonly looks: number }
  | { readonly state: "leading"; readonly version: number; readonly until: number };

/** What the journal holds; null before anybody held it. `holder` null was handed back. */
export type LeadRecord = { readonly holder: string | null; readonly version: number } | null;

export const leadTimes = { leaseMs: 9_000, renewMs: 3_000, lookMs: 1_000, marginMs: 2_000 } as const;

export const newcomer: Leadership = { state: "following", version: null, looks: 0 };

/** After a look at the record, at least `lookMs` after the one before. `claim` is the version to claim, if it may be. */
export function look(
  before: Leadership,
  record: LeadRecord,
  self: string,
): { readonly next: Leadership; readonly claim: number | null } {
  const version = record?.version ?? 0;
  const same = before.state === "following" && before.version === version;
  const looks = same ? before.looks + 1 : 0;
  // Our own name without leading: the answer to our claim was lost, so nobody has begun anything.
  const free = record === null || record.holder === null || record.holder === self;
  const dead = looks * leadTimes.lookMs >= leadTimes.leaseMs;
  return { next: { state: "following", version, looks }, claim: free || dead ? version : null };
}

/** After our write of `version` went through; `askedAt` is when it was sent. One that took too long is worth nothing. */
export function won(version: number, askedAt: number, now: number): Leadership {
  const until = askedAt + leadTimes.leaseMs - leadTimes.marginMs;
  return until > now ? { state: "leading", version, until } : newcomer;
}
