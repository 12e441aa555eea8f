/** What the handlers of the admin API have in common: reading a body, and the answers that are no rows. */
import type { Context } from "hono";
import type { Json } from "../domain/json.ts";
import type { AdminEnv } from "./admin-access.ts";
import { BadRequest } from "./admin-queries.ts";

export const errorAnswer = (code: string, message: string) => ({ error: { code, message } });

export const missing = (c: Context<AdminEnv>, what: string) =>
  c.json(errorAnswer("not_found", `There is no such ${what}; the lists give the ids.`), 404);

/** An empty body is an empty object. Throws BadRequest. */
export async function bodyOf(c: Context<AdminEnv>): Promise<Json> {
  const text = await c.req.text();
  if (text.trim() === "") return {};
  if (!/^application\/json\b/i.test(c.req.header("Content-Type") ?? ""))
    throw new BadRequest("Content-Type: must be application/json");
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new BadRequest("body: must be JSON");
  }
}
