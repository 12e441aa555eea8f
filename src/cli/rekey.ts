/**
 * `signalbox rekey`: seals all stored content with the first key of SIGNALBOX_ENCRYPTION_KEY. On a data folder the service
 * must be stopped; on PostgreSQL it may run, once every process was started with the new key.
 */
import { rekey as rekeyFolder } from "../journal/rekey.ts";
import { createVault } from "../journal/vault.ts";
import type { Vault } from "../journal/vault.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import { dataFolder } from "./service.ts";

export async function rekey(context: Context): Promise<void> {
  const { terminal, environment } = context;
  const vault = createVault(environment.encryptionKeys);
  if (vault.keyId === null)
    throw new Failure("SIGNALBOX_ENCRYPTION_KEY is not set: there is no key to encrypt with", {
      hint: "Make one with `openssl rand -base64 32`, and put it before the old one, separated by a comma.",
    });
  const count = await sealAll(context, vault);
  if (terminal.json) terminal.printJson({ key: vault.keyId, sealed: count });
  else terminal.print(`${count} values are sealed anew, all of them with key ${vault.keyId}`);
  if (vault.keyIds.length > 1) terminal.note("The other keys are not needed any more.");
}

async function sealAll(context: Context, vault: Vault): Promise<number> {
  const { databaseUrl } = context.environment;
  if (databaseUrl === null) return rekeyFolder({ folder: dataFolder(context), vault, clock: systemClock });
  const { rekeyPostgres } = await import("../journal/postgres-rekey.ts");
  return rekeyPostgres({ url: databaseUrl, vault, clock: systemClock });
}
