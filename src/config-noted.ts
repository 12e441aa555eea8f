/**
 * Which configuration the installation has, as one hash of its file and its prompts: so that a change is audited once,
 * although each process of a fleet reads the changed file, a little later than another.
 */
import { listening } from "./config/schema.ts";
import { hashJson } from "./domain/json.ts";
import type { State } from "./domain/ports.ts";
import type { Settings } from "./in-force.ts";

const key = "configuration";

/** Of what the file and the prompts say; not of secrets, nor of where a process listens. */
export const configurationOf = ({ loaded, prompts }: Settings): string =>
  hashJson({ file: loaded.hash, prompts: [...prompts].map(([name, { hash }]) => [name, hash]) }).slice(0, 12);

/** Where the changed configuration would have this process listen, unlike the one it started with: a port stays where it is. */
export const movedPlaces = (started: Settings, changed: Settings): string[] =>
  listening
    .filter((place) => started.loaded.config.server[place] !== changed.loaded.config.server[place])
    .map((place) => `server.${place}`);

/** True when it was another one until now, and no other process has noted the change; the first one is no change. */
export async function noteConfiguration(state: State, settings: Settings): Promise<boolean> {
  const configuration = configurationOf(settings);
  const noted = await state.get("meta", key);
  if (noted?.value === configuration) return false;
  return (await state.put("meta", key, configuration, noted?.version ?? 0)) && noted !== null;
}
