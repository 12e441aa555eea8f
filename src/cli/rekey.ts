/** `signalbox rekey`: seals all stored content with the first key of SIGNALBOX_ENCRYPTION_KEY. The service must be stopped. */
import { rekey as rekeyJournal } from "../journal/rekey.ts";
import { createVault } from "../journal/vault.ts";
import { systemClock } from "../resilience/clock.ts";
import type { Context } from "./context.ts";
import { Failure } from "./failure.ts";
import { dataFolder } from "./service.ts";

export function rekey(context: Context): void {
  const { terminal, environment } = context;
  const vault = createVault(environment.encryptionKeys);
  if (vault.keyId === null)
    throw new Failure("SIGNALBOX_ENCRYPTION_KEY is not set: there is no key to encrypt with", {
      hint: "Make one with `openssl rand -base64 32`, and put it before the old one, separated by a comma.",
    });
  const count = rekeyJournal({ folder: dataFolder(context), vault, clock: systemClock });
  if (terminal.json) terminal.printJson({ key: vault.keyId, sealed: count });
  else terminal.print(`${count} values are sealed anew, all of them with key ${vault.keyId}`);
  if (vault.keyIds.length > 1) terminal.note("The other keys are not needed any more.");
}
