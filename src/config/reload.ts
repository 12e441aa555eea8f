/**
 * Keeps an eye on the configuration and its prompts, and loads them again when they change.
 *
 *   IDLE      nothing has changed since the last load. A change → SETTLING.
 *   SETTLING  a change was seen; editors write in several steps, so the load waits until it has been quiet for
 *             `quietMs`. Another change starts the wait again. Quiet → LOADING.
 *   LOADING   `load` is at work. A change now → the result is dropped, as it may mix old and new, and → SETTLING
 *             when it returns. Else the result goes to `onGood` or `onBad` → IDLE.
 *   CLOSED    no callback is called any more, not even for a load that is still at work.
 *
 * A bad file never reaches `onGood`: whoever holds the configuration keeps the old one, and `onBad` says why.
 */
import path from "node:path";
import type { Clock } from "../resilience/clock.ts";
import type { Fault } from "./faults.ts";

export type Loaded = { readonly ok: true } | { readonly ok: false; readonly faults: readonly Fault[] };

export interface WatchOptions<R extends Loaded> {
  /** Absolute paths of files; they may be replaced, deleted and come back. */
  readonly files: readonly string[];
  /** Absolute paths of folders whose .yaml and .yml files count; they need not exist yet. */
  readonly folders?: readonly string[];
  readonly load: () => Promise<R>;
  readonly onGood: (result: Extract<R, { ok: true }>) => void;
  readonly onBad: (faults: readonly Fault[]) => void;
  readonly clock: Clock;
  readonly quietMs?: number;
  /** Tells of changes; the file system's own unless a test tells them itself. */
  readonly watch?: Watch;
}

/** Starts watching; resolves when every later change will be told. The answer stops it. */
export type Watch = (
  targets: { files: readonly string[]; folders: readonly string[] },
  onChange: () => void,
) => Promise<() => Promise<void>>;

export interface ConfigWatch {
  /** Loads now, as after a change (for SIGHUP). */
  reload(): void;
  close(): Promise<void>;
}

type State =
  | { name: "idle" }
  | { name: "settling"; timer: { cancel(): void } }
  | { name: "loading"; stale: boolean }
  | { name: "closed" };

/** Resolves once changes are seen. */
export async function watchConfig<R extends Loaded>(options: WatchOptions<R>): Promise<ConfigWatch> {
  const { clock, files, folders = [], quietMs = 200, watch = watchFiles } = options;
  let state: State = { name: "idle" };
  const now = (): State => state;

  const settle = (): void => {
    state = { name: "settling", timer: clock.after(quietMs, () => void run()) };
  };
  const changed = (): void => {
    if (state.name === "closed") return;
    if (state.name === "loading") {
      state.stale = true;
      return;
    }
    if (state.name === "settling") state.timer.cancel();
    settle();
  };
  const run = async (): Promise<void> => {
    const loading: State = { name: "loading", stale: false };
    state = loading;
    const result = await options
      .load()
      .catch((): Loaded => ({ ok: false, faults: [unexpected(files[0] ?? "")] }));
    if (now().name === "closed") return;
    if (loading.stale) {
      settle();
      return;
    }
    state = { name: "idle" };
    if (result.ok) options.onGood(result as Extract<R, { ok: true }>);
    else options.onBad(result.faults);
  };

  const stop = await watch({ files, folders }, changed);
  return {
    reload: changed,
    async close() {
      if (state.name === "settling") state.timer.cancel();
      state = { name: "closed" };
      await stop();
    },
  };
}

const unexpected = (file: string): Fault => ({
  file: path.basename(file),
  line: 0,
  column: 0,
  message: "could not be loaded again because of an unexpected error; the configuration in force stays",
});

/**
 * Watches the folders that hold the files, not the files: editors and configuration managers replace a file rather
 * than write into it, and a mounted ConfigMap changes by its `..data` link alone.
 */
const watchFiles: Watch = async ({ files, folders }, onChange) => {
  const { watch } = await import("chokidar");
  const roots = new Set([...files, ...folders].map((target) => path.dirname(target)));
  const isPrompt = (file: string): boolean => folders.includes(path.dirname(file)) && /\.ya?ml$/.test(file);
  const relevant = (file: string): boolean =>
    files.includes(file) || folders.includes(file) || isPrompt(file) || path.basename(file) === "..data";
  const watcher = watch([...roots], {
    ignored: (file) => !roots.has(file) && !relevant(file),
    ignoreInitial: true,
    depth: 1,
  });
  watcher.on("all", (_, file) => {
    if (relevant(file)) onChange();
  });
  // Without a handler an error of the watcher would end the process; the next change is seen all the same.
  watcher.on("error", () => undefined);
  await new Promise<void>((resolve) => watcher.once("ready", () => resolve()));
  return () => watcher.close();
};
