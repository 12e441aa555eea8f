/**
 * GitHub's list of addresses for `allowFrom: [github]`.
 *
 * shipped ──a list in the journal──▶ kept ──a day old, or none──▶ asked ──▶ kept. A failed question leaves what there is,
 * and is put again an hour later.
 */
import type { Config } from "./config/schema.ts";
import type { State } from "./domain/ports.ts";
import type { Log } from "./observability/log.ts";
import type { Clock } from "./resilience/clock.ts";
import { readGithubHookNetworks } from "./sources/github-meta.ts";

const freshMs = 86_400_000;
const key = "addresses:github";

export interface GithubAddresses {
  /** Hands the kept list on, where there is one. */
  apply(): Promise<void>;
  /** Asks GitHub when the kept list is older than a day, and hands the new one on. Never throws. */
  refresh(signal: AbortSignal): Promise<void>;
}

export function createGithubAddresses(parts: {
  readonly state: State;
  readonly clock: Clock;
  readonly log: Log;
  /** False while no source asks for the list, or the configuration has one of its own: GitHub is left alone then. */
  readonly wanted: () => boolean;
  readonly metaUrl: () => string | undefined;
  readonly onNetworks: (networks: readonly string[]) => void;
}): GithubAddresses {
  const { state, clock, log } = parts;

  async function kept(): Promise<{ networks: readonly string[]; at: number; version: number } | null> {
    const row = await state.get("meta", key);
    const value = row?.value as { networks: readonly string[]; at: number } | undefined;
    return row && value ? { ...value, version: row.version } : null;
  }

  return {
    async apply() {
      const list = parts.wanted() ? await kept() : null;
      if (list) parts.onNetworks(list.networks);
    },
    async refresh(signal) {
      if (!parts.wanted()) return;
      try {
        const old = await kept();
        if (old && clock.now() - old.at < freshMs) {
          // After a reload the list in force is the shipped one.
          parts.onNetworks(old.networks);
          return;
        }
        const networks = await readGithubHookNetworks({ url: parts.metaUrl(), clock, signal });
        await state.put("meta", key, { networks, at: clock.now() }, old?.version ?? 0);
        parts.onNetworks(networks);
      } catch (error) {
        if (!signal.aborted)
          log.warn(
            { err: error },
            "GitHub's list of addresses could not be read; the old one stays in force",
          );
      }
    },
  };
}

export const wantsGithubAddresses = ({ server, sources }: Config): boolean =>
  server.addressLists["github"] === undefined &&
  Object.values(sources).some(({ allowFrom }) => allowFrom?.includes("github"));
