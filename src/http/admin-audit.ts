/** The audit: what was done through the admin port is recorded before it is answered, and can be read again. */
import type { Context, Hono } from "hono";
import type { Audit, Deed } from "../domain/audit.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Reads } from "../domain/ports.ts";
import type { Clock } from "../resilience/clock.ts";
import type { AdminEnv } from "./admin-access.ts";
import { readAuditQuery } from "./admin-queries.ts";
import { auditRow } from "./admin-views.ts";

/** Records a deed of the request's sender. Throws JournalUnavailable. */
export type Recorder = (
  c: Context<AdminEnv>,
  deed: Deed,
  object: string | null,
  more?: { readonly reason?: string; readonly details?: JsonObject },
) => Promise<void>;

export const recorder =
  (audit: Audit): Recorder =>
  (c, deed, object, { reason, details } = {}) =>
    audit.record({
      by: c.var.by,
      address: c.var.address === "" ? null : c.var.address,
      deed,
      object,
      reason: reason ?? null,
      details: details ?? null,
    });

export function addAudit(
  app: Hono<AdminEnv>,
  { reads, clock }: { readonly reads: Reads; readonly clock: Clock },
): void {
  app.get("/api/audit", async (c) => {
    const page = await reads.audit(readAuditQuery(new URL(c.req.url).searchParams, clock.now()));
    return c.json({ items: page.items.map(auditRow), next: page.next });
  });
}
