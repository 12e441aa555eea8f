/** Forgetting a person, on their wish. The audit keeps that it was done, and a hash of the address, not the address. */
import type { Hono } from "hono";
import type { Audit } from "../domain/audit.ts";
import { sha256 } from "../domain/json.ts";
import type { AdminEnv } from "./admin-access.ts";
import { recorder } from "./admin-audit.ts";
import { bodyOf } from "./admin-body.ts";
import { readForget } from "./admin-queries.ts";

export interface ForgetControl {
  /** How much content went, or would go, and which events are still being worked on. */
  forget(
    address: string,
    dryRun: boolean,
  ): Promise<{ readonly erased: number; readonly open: readonly string[] }>;
}

interface ForgetParts {
  readonly audit: Audit;
  readonly control: ForgetControl;
}

export function addForget(app: Hono<AdminEnv>, { audit, control }: ForgetParts): void {
  const record = recorder(audit);
  app.post("/api/forget", async (c) => {
    const { email, dryRun } = readForget(await bodyOf(c));
    const forgotten = await control.forget(email, dryRun);
    const address = sha256("forget", email.toLowerCase()).slice(0, 12);
    const details = { address, erased: forgotten.erased, open: forgotten.open.length };
    if (!dryRun) await record(c, "forget", null, { details });
    return c.json({ dryRun, ...forgotten });
  });
}
