/** The ports, from the queries and the database that carries them out. */
import type { Changes, Journal, Reads, State } from "../domain/ports.ts";
import { actionsOf, approve, beginAction, endAction, recordPlan, reject } from "./actions.ts";
import { recordDeed } from "./audit.ts";
import { discard } from "./dead-letters.ts";
import { dueAgents, dueRuns, nextDue, parkedFor, wakeParked } from "./due.ts";
import { accept, exclusiveKeys, keepMalformed, replay } from "./events.ts";
import { forgetNext } from "./forgetting.ts";
import { createReads } from "./reads.ts";
import { receiptOf } from "./receipts.ts";
import { eraseContent, eraseHistory, eraseKeys } from "./retention.ts";
import { announce } from "./notices.ts";
import { cancel, claim, extendLease, handBack, releaseOrphans, settle } from "./runs.ts";
import type { Database } from "./sql.ts";
import { getState, listState, putState } from "./state.ts";
import { recordDecision, recordStep, stepsOf } from "./steps.ts";

export interface JournalParts {
  readonly journal: Journal;
  readonly reads: Reads;
  readonly state: State;
  readonly changes: Changes;
}

export const partsOn = (db: Database): JournalParts => ({
  journal: journalOn(db),
  reads: createReads(db),
  state: {
    get: (scope, key) => db.read(() => getState(scope, key)),
    list: (scope) => db.read(() => listState(scope)),
    put: (scope, key, value, expected) => db.write((tx) => putState(tx, scope, key, value, expected)),
  },
  changes: { subscribe: (listener) => db.subscribe(listener) },
});

const journalOn = (db: Database): Journal => ({
  accept: (request) => db.gather((tx) => accept(tx, request), exclusiveKeys(request)),
  keepMalformed: (delivery, body) => db.write((tx) => keepMalformed(tx, delivery, body)),

  dueAgents: () => db.read(dueAgents),
  dueRuns: (limit, agent) => db.read(() => dueRuns(limit, agent)),
  nextDue: () => db.read(nextDue),
  claim: (run, owner, leaseMs) => db.write((tx) => claim(tx, run, owner, leaseMs)),
  extendLease: (key, leaseMs) => db.write((tx) => extendLease(tx, key, leaseMs)),
  handBack: (key, delayMs) => db.write((tx) => handBack(tx, key, delayMs)),
  releaseOrphans: async () => (db.shared ? 0 : db.write(releaseOrphans)),

  steps: (run) => db.read((scope) => stepsOf(scope, run)),
  recordStep: (key, step) => db.write((tx) => recordStep(tx, key, step)),
  recordDecision: (key, step, by, why) => db.write((tx) => recordDecision(tx, key, step, by, why)),
  recordPlan: (key, plan) => db.write((tx) => recordPlan(tx, key, plan)),
  actions: (run) => db.read((scope) => actionsOf(scope, run)),
  beginAction: (key, action, options) => db.write((tx) => beginAction(tx, key, action, options)),
  endAction: (key, action, outcome) => db.write((tx) => endAction(tx, key, action, outcome)),
  settle: (key, verdict, attempt) =>
    db.write(function* (tx) {
      const decidedBy = yield* settle(tx, key, verdict, attempt ?? null);
      if (verdict.kind === "awaitReview" && verdict.notice) yield* announce(tx, key.run, verdict.notice);
      return decidedBy;
    }),
  wakeParked: (service, stepMs) => db.write((tx) => wakeParked(tx, service, stepMs)),
  parkedFor: (service) => db.read(() => parkedFor(service)),

  approve: (action, hash, edited, by) => db.write((tx) => approve(tx, action, hash, edited, by)),
  reject: (action, reason, by) => db.write((tx) => reject(tx, action, reason, by)),
  cancel: (run, reason) => db.write((tx) => cancel(tx, run, reason)),
  discard: (run, reason, by) => db.write((tx) => discard(tx, run, reason, by)),
  recordDeed: (id, entry) => db.write((tx) => recordDeed(tx, id, entry)),
  receipt: (event) => db.read((scope) => receiptOf(scope, event)),
  replay: (request) => db.write((tx) => replay(tx, request)),

  eraseContent: (before, limit) => db.write(() => eraseContent(before, limit)),
  eraseHistory: (before, limit) => db.write(() => eraseHistory(before, limit)),
  eraseKeys: (before, limit, after) => db.write(() => eraseKeys(before, limit, after)),
  forget: (address, options) => db.write((tx) => forgetNext(tx, address, options)),
  trouble: () => db.trouble(),
  close: () => db.close(),
});
