import type { Clock } from "../resilience/clock.ts";

/** A small write may fit where a larger one does not: so long, in milliseconds, a disk is not believed to be well again. */
export const noRoomMs = 10_000;

/** What keeps a journal from storing: told until something is stored again, and for a time at least. */
export class Trouble {
  readonly #clock: Clock;
  #met: { readonly why: string; readonly until: number; isMended: boolean } | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Something could not be stored. `atLeastMs`: how long it is told, whatever is stored meanwhile. */
  met(why: string, atLeastMs: number): void {
    this.#met = { why, until: this.#clock.now() + atLeastMs, isMended: false };
  }

  /** Something was stored. */
  mended(): void {
    if (this.#met) this.#met.isMended = true;
  }

  /** In words for people; null when all is well as far as is known. */
  why(): string | null {
    if (this.#met?.isMended === true && this.#clock.now() >= this.#met.until) this.#met = null;
    return this.#met?.why ?? null;
  }
}
