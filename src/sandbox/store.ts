/** A vendor's memory: a plain object, written as a whole to one file so that it survives `kill -9` of the sandbox. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface Store<S> {
  readonly state: S;
  /** Returns when the state is in the file; does nothing without a file. */
  save(): void;
}

/** Loads the file, or starts from `initial` where there is none; fields that an older file lacks come from `initial`. */
export function openStore<S extends object>(file: string | null, initial: S): Store<S> {
  if (file === null) return { state: initial, save: () => {} };
  mkdirSync(dirname(file), { recursive: true });
  const state: S = { ...initial, ...load<S>(file) };
  return {
    state,
    save() {
      // Written aside and renamed: a process killed while it writes leaves the previous state whole.
      writeFileSync(`${file}.new`, JSON.stringify(state));
      renameSync(`${file}.new`, file);
    },
  };
}

function load<S>(file: string): Partial<S> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Partial<S>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new Error(`The sandbox state ${file} cannot be read; delete it to start afresh.`, { cause: error });
  }
}
