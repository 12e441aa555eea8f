/** The log's JSON lines, made readable for a person at a terminal. */
import { wrap } from "./terminal.ts";
import type { Colors } from "./terminal.ts";

/** Where the message begins; what does not fit goes on below it. */
const margin = " ".repeat("11:03:04 info  ".length);

const levels: Readonly<Record<number, readonly [string, "dim" | "green" | "yellow" | "red"]>> = {
  10: ["trace", "dim"],
  20: ["debug", "dim"],
  30: ["info", "green"],
  40: ["warn", "yellow"],
  50: ["error", "red"],
  60: ["fatal", "red"],
};

/** `11:03:04 warn  message  key=value`, and the stack of an error on lines of its own. */
function formatLogLine(line: string, paint: Colors, width: number): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line.trimEnd();
  }
  const { level, time, msg, err, ...fields } = entry;
  const [name, color] = levels[Number(level)] ?? ["info", "green"];
  const values = Object.entries(fields).map(
    ([key, value]) => `${paint.dim(`${key}=`)}${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const parts = [
    paint.dim(typeof time === "string" ? time.slice(11, 19) : ""),
    paint[color](name.padEnd(5)),
    typeof msg === "string" ? msg : "",
    ...values,
  ];
  const text = wrap(parts.join(" "), width, margin);
  const stack = (err as { stack?: unknown } | undefined)?.stack ?? err;
  return stack === undefined
    ? text
    : `${text}\n${paint.dim(typeof stack === "string" ? stack : JSON.stringify(stack))}`;
}

export const lineWriter = (paint: Colors): { write(line: string): void } => ({
  write: (line) => void process.stderr.write(`${formatLogLine(line, paint, process.stderr.columns || 80)}\n`),
});
