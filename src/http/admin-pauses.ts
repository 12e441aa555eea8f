/** What is brought to a halt by hand, and let go on. Receiving goes on whatever is paused. */
import type { Hono } from "hono";
import type { Audit } from "../domain/audit.ts";
import type { AdminEnv } from "./admin-access.ts";
import { recorder } from "./admin-audit.ts";
import { bodyOf } from "./admin-body.ts";
import { readPause } from "./admin-queries.ts";
import { pauseRow } from "./admin-views.ts";
import type { PauseRow } from "./admin-views.ts";

/** `pause` and `resume` throw Conflict. */
export interface PauseControl {
  pauses(): Promise<readonly PauseRow[]>;
  pause(name: string, reason: string | null): Promise<PauseRow>;
  /** How many runs waited for it. */
  resume(name: string): Promise<number>;
}

interface PauseParts {
  readonly audit: Audit;
  readonly control: PauseControl;
}

export function addPauses(app: Hono<AdminEnv>, { audit, control }: PauseParts): void {
  const record = recorder(audit);
  app.get("/api/pauses", async (c) => c.json({ items: (await control.pauses()).map(pauseRow), next: null }));
  app.post("/api/pauses", async (c) => {
    const { name, reason } = readPause(await bodyOf(c));
    const row = await control.pause(name, reason ?? null);
    await record(c, "pause", name, reason === undefined ? {} : { reason });
    return c.json(pauseRow(row));
  });
  app.delete("/api/pauses/:name", async (c) => {
    const name = c.req.param("name");
    const runs = await control.resume(name);
    await record(c, "resume", name, { details: { runs } });
    return c.json({ name, runs });
  });
}
