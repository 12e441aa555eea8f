import { pino } from "pino";
import type { DestinationStream, Logger } from "pino";
import { redactText } from "./redact.ts";

/** Static messages with fields, so that lines group; `warn` and `error` are for the operator to act on. */
export type Log = Pick<Logger, "debug" | "info" | "warn" | "error">;

const secretFields = [
  "authorization",
  "cookie",
  "secret",
  "token",
  "password",
  "apiKey",
  "privateKey",
  "credentials",
];

/** JSON lines on stderr: stdout belongs to data. */
export function createLog(level: string, destination: DestinationStream = pino.destination(2)): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: "[redacted]" },
      serializers: {
        err: (error: unknown) =>
          error instanceof Error
            ? { type: error.name, message: redactText(error.message), stack: redactText(error.stack ?? "") }
            : redactText(String(error)),
      },
    },
    destination,
  );
}

/** The same lines into a file, for programs whose terminal belongs to something else. */
export const createFileLog = (level: string, file: string): Log => createLog(level, pino.destination(file));

export const silentLog: Log = pino({ enabled: false });
