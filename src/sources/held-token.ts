/**
 * An access token, held until it is about to end.
 *
 *   none ──▶ asking (shared by all who wait) ──▶ held until shortly before its end ──▶ asking …
 *                └── failed ──▶ none                    └── forgotten (the API refused it) ──▶ none
 */
import type { Clock } from "../resilience/clock.ts";

/** A token is asked for again this long before it ends, so that it does not end on its way. */
const renewBeforeMs = 120_000;
const defaultLifeMs = 3_600_000;

export interface AccessTokens {
  /** Throws ServiceError. */
  get(signal: AbortSignal): Promise<string>;
  /** Drops `token` if it is the held one; false when it can't be replaced (it was given as it is). */
  forget(token: string): boolean;
}

export interface FreshToken {
  readonly token: string;
  /** `expires_in` of the answer: seconds. */
  readonly expiresIn: unknown;
}

export function heldToken(clock: Clock, ask: (signal: AbortSignal) => Promise<FreshToken>): AccessTokens {
  let held: { token: string; until: number } | null = null;
  let asking: Promise<string> | null = null;

  async function askAnew(signal: AbortSignal): Promise<string> {
    const { token, expiresIn } = await ask(signal);
    const lifeMs = typeof expiresIn === "number" && expiresIn > 0 ? expiresIn * 1000 : defaultLifeMs;
    held = { token, until: clock.now() + Math.max(lifeMs - renewBeforeMs, lifeMs / 2) };
    return token;
  }

  return {
    async get(signal) {
      if (held && clock.now() < held.until) return held.token;
      asking ??= askAnew(signal).finally(() => {
        asking = null;
      });
      return asking;
    },
    forget(token) {
      if (held?.token === token) held = null;
      return true;
    },
  };
}
