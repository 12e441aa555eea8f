/** What every command gets: where it writes, what it was called with. */
import type { Environment } from "../config/environment.ts";
import type { Terminal } from "./terminal.ts";

export interface Context {
  readonly terminal: Terminal;
  readonly environment: Environment;
  /** The working directory, absolute. */
  readonly cwd: string;
  /** From `--config`. */
  readonly configFile: string | undefined;
}
