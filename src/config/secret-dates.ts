/** How old the secrets of the sources are, and what that asks of their owner. */
import type { Config, SourceConfig } from "./schema.ts";

export interface SecretAge {
  readonly source: string;
  /** Place in the source's list, 0 = first. */
  readonly index: number;
  /** Milliseconds since the epoch; null when the file does not say. */
  readonly addedAt: number | null;
  readonly expiresAt: number | null;
}

const dayMs = 86_400_000;
const oldDays = 180;
const soonDays = 14;

/** Every secret that is set. */
export const secretAges = (config: Config): SecretAge[] =>
  Object.entries(config.sources).flatMap(([source, options]) =>
    ("secrets" in options ? options.secrets : []).flatMap((entry, index) => {
      const { value, added, expires } =
        typeof entry === "string" ? { value: entry, added: undefined, expires: undefined } : entry;
      if (value.trim() === "") return [];
      return [{ source, index, addedAt: added ?? null, expiresAt: expires ?? null }];
    }),
  );

/** Why no secret of a source may be used at `now`; null when one may, and for sources that have none. */
export function whyNoSecret(source: SourceConfig, now: number): "unset" | "expired" | null {
  if (!("secrets" in source) || currentSecret(source.secrets, now) !== null) return null;
  return currentSecret(source.secrets, Number.NEGATIVE_INFINITY) === null ? "unset" : "expired";
}

/** The first secret of a list that may be used at `now`; null when there is none. */
export function currentSecret(
  entries: readonly (string | { readonly value: string; readonly expires?: number | undefined })[],
  now: number,
): string | null {
  for (const entry of entries) {
    const { value, expires } = typeof entry === "string" ? { value: entry, expires: undefined } : entry;
    if (value.trim() !== "" && now < (expires ?? Number.POSITIVE_INFINITY)) return value;
  }
  return null;
}

/** What is wrong with the dates at `now`, and what to do about it. */
export function secretFindings(config: Config, now: number): { message: string; fix: string }[] {
  return secretAges(config).flatMap(({ source, index, addedAt, expiresAt }) => {
    const which = `secret ${index + 1} of source ${source}`;
    if (expiresAt !== null && expiresAt <= now) {
      const message = `${which} has expired (${dateOf(expiresAt)}) and is not used`;
      return [{ message, fix: "Take it out of the list." }];
    }
    const rotate = "Make a new one at the provider, put it first in the list, and let the old one expire.";
    if (expiresAt !== null && expiresAt - now < soonDays * dayMs)
      return [{ message: `${which} expires on ${dateOf(expiresAt)}`, fix: rotate }];
    const days = addedAt === null ? 0 : Math.floor((now - addedAt) / dayMs);
    return days > oldDays ? [{ message: `${which} is ${days} days old`, fix: rotate }] : [];
  });
}

const dateOf = (at: number): string => new Date(at).toISOString().slice(0, 10);
