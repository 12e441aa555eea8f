/** A request as a stand-in sees it, and what it answers. */
import type { Json } from "../domain/json.ts";
import { asText } from "./bodies.ts";

export interface Call {
  readonly method: string;
  readonly path: string;
  /** From `:name` in the route; `*` in a route is the param `rest`. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, Json>>;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Json;
  readonly raw: string;
  readonly at: number;
}

export interface Answer {
  readonly status: number;
  /** Sent as JSON; `text` instead of it is sent as it is. Neither: an empty body. */
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Cut the connection after half of the body. */
  readonly cutShort?: boolean;
}

export type Handler = (call: Call) => Answer;
/** Asks elsewhere before it answers. */
export type AskingHandler = (call: Call) => Answer | Promise<Answer>;
export type Route<H extends AskingHandler = Handler> = readonly [method: string, path: string, handle: H];

/** The credential after `Bearer`; undefined without one. */
export const bearer = (call: Call): string | undefined =>
  /^Bearer (\S+)$/i.exec(call.headers["authorization"] ?? "")?.[1];

/** Seconds or milliseconds to the vendors' usual text, `2026-01-02T03:04:05Z`. */
export const isoTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d{3}Z$/, "Z");

/** A query or form field as text. */
export const textOf = (call: Call, name: string): string | undefined => asText(call.query[name]);
