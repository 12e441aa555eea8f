import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { Context } from "../../src/cli/context.ts";
import { rekey } from "../../src/cli/rekey.ts";
import { readEnvironment } from "../../src/config/environment.ts";
import { openSqliteJournal } from "../../src/journal/sqlite.ts";
import { createVault } from "../../src/journal/vault.ts";
import { systemClock } from "../../src/resilience/clock.ts";

it("`rekey` seals the journal of the data folder, says with which key, is recorded, and refuses without one", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "signalbox-rekey-"));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  const key = Buffer.alloc(32, 9);
  const { journal } = openSqliteJournal({ folder: join(cwd, ".signalbox"), clock: systemClock });
  const delivery = {
    id: "dlv_1",
    source: "s",
    receivedAt: 1,
    remoteAddress: "",
    secretIndex: 0,
    reason: "r",
  };
  await journal.keepMalformed(delivery, Buffer.from("body"));
  await journal.close();
  const printed: unknown[] = [];
  const context = (variables: Record<string, string>): Context => ({
    cwd,
    configFile: undefined,
    environment: readEnvironment(variables),
    terminal: { json: true, printJson: (value: unknown) => printed.push(value), note: () => {} } as never,
  });
  await expect(rekey(context({}))).rejects.toThrow(/SIGNALBOX_ENCRYPTION_KEY is not set/);
  await rekey(context({ SIGNALBOX_ENCRYPTION_KEY: key.toString("hex") }));
  expect(printed).toEqual([{ key: createVault([key]).keyId, sealed: 1 }]);
  const again = openSqliteJournal({
    folder: join(cwd, ".signalbox"),
    clock: systemClock,
    vault: createVault([key]),
  });
  onTestFinished(() => again.journal.close());
  expect((await again.reads.audit({ limit: 9 })).items).toMatchObject([
    { by: "shell", deed: "rekey", details: { sealed: 1 } },
  ]);
});
