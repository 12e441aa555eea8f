/** What a command gets, in process: a folder, an environment, and a terminal that keeps what it is told. */
import { createColors } from "picocolors";
import type { Context } from "../../src/cli/context.ts";
import { readEnvironment } from "../../src/config/environment.ts";

export interface Told {
  readonly stdout: string;
  readonly stderr: string;
}

export function contextIn(
  cwd: string,
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly json?: boolean;
    readonly agrees?: boolean;
  } = {},
): { context: Context; output: () => Told } {
  let stdout = "";
  let stderr = "";
  const plain = createColors(false);
  const keep = (text: string) => void (stderr += `${text}\n`);
  return {
    context: {
      cwd,
      configFile: undefined,
      environment: readEnvironment({ ...options.env }),
      terminal: {
        json: options.json ?? false,
        quiet: false,
        verbose: false,
        paint: plain,
        notePaint: plain,
        width: 80,
        interactive: options.agrees !== undefined,
        attended: false,
        print: (text) => void (stdout += `${text}\n`),
        printJson: (value) => void (stdout += `${JSON.stringify(value)}\n`),
        note: keep,
        complain: keep,
        confirm: () => Promise.resolve(options.agrees ?? false),
      },
    },
    output: () => ({ stdout, stderr }),
  };
}
