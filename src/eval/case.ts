/** A case: what an agent is given, and what a careful person would have it decide and do. */
import type { Json, JsonObject } from "../domain/json.ts";

type Scalar = string | number | boolean | null;

/** What an element of a list must be like: each named field. */
export interface ItemMatcher {
  readonly [field: string]: FieldMatcher;
}

export interface ListMatcher {
  /** For each of these, an element of the list is like it. */
  readonly some?: readonly ItemMatcher[];
  /** No element is like one of these. */
  readonly none?: readonly ItemMatcher[];
  /** Classes of elements that may be there and need not be. */
  readonly also?: readonly string[];
  readonly atMost?: number;
}

/** A value; one of several; within bounds; a text that has or lacks something in it, in any case of letters. */
export type FieldMatcher =
  | Scalar
  | readonly Scalar[]
  | { readonly min?: number; readonly max?: number }
  | { readonly has?: string; readonly lacks?: string };

export type Matcher = FieldMatcher | ListMatcher;

export interface Case {
  readonly agent: string;
  /** Unlike any other of its agent. */
  readonly id: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly tags: readonly string[];
  /** When its run began, in milliseconds since the epoch. */
  readonly now: number;
  /** The event's type. */
  readonly type: string;
  readonly payload: Json;
  /** What the step `gather` recorded; null where it is to be done, with `reads`. */
  readonly facts: JsonObject | null;
  /** What the services answer: by their names, then by the reads' names. */
  readonly reads: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  /** By the decision's fields. */
  readonly expect: Readonly<Record<string, Matcher>>;
  /** Kinds of action that must be planned. */
  readonly does: readonly string[];
  /** Kinds that must not be; `stripe.*` for all of a service, `*` for any. */
  readonly doesNot: readonly string[];
  /** Whether the policy's checks must ask for a person first; null: either. */
  readonly held: boolean | null;
  /** Texts that must be somewhere in what would be sent. */
  readonly says: readonly string[];
  /** Texts that must be nowhere in it. */
  readonly saysNot: readonly string[];
}

/** What all the cases of an agent have in common. */
export interface CaseSet {
  readonly agent: string;
  /** What is scored by class: a field of the decision, or `list.field` for a field of a list's elements. */
  readonly label: string;
  /** The accuracy that is asked for, by who decides. */
  readonly thresholds: { readonly rules: number | null; readonly model: number | null };
  readonly cases: readonly Case[];
}
