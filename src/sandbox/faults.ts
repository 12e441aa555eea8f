/**
 * What can go wrong at a vendor, on demand. A fault waits until a request matches it, is used `times` times (once when
 * not said, `Infinity` until `clear`), and is then gone; the oldest matching fault is used first.
 *
 * - fail   answers an error, instead of doing anything or, as vendors do as well, after it took effect
 * - stall  takes the request and never answers; nothing is done, or all of it
 * - garble does what was asked, and answers something that nobody can read
 * - drop   cuts the connection, before or after the request took effect: the caller cannot tell which
 * - down   cuts every connection, open and new, until `up`
 */
import type { Json } from "../domain/json.ts";
import type { Call } from "./call.ts";

interface Scope {
  readonly times?: number;
  readonly when?: (call: Call) => boolean;
}

interface FailFault extends Scope {
  readonly status: number;
  /** The vendor's own error shape for this status when absent. */
  readonly body?: Json;
  /** Seconds, sent as `Retry-After`. */
  readonly retryAfter?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** It takes effect before it fails. */
  readonly after?: "effect";
}

interface StallFault extends Scope {
  readonly after?: "effect";
}

interface DropFault extends Scope {
  readonly after: "effect" | "before";
}

export type Fault =
  | ({ readonly kind: "fail" } & FailFault)
  | ({ readonly kind: "stall" } & StallFault)
  | ({ readonly kind: "garble" } & Scope)
  | ({ readonly kind: "drop" } & DropFault);

export interface Faults {
  fail(fault: FailFault): void;
  stall(fault?: StallFault): void;
  garble(scope?: Scope): void;
  drop(fault: DropFault): void;
  down(): void;
  up(): void;
  /** Forgets all waiting faults, and ends `down`. */
  clear(): void;
}

export interface FaultBox extends Faults {
  isDown(): boolean;
  /** The fault that this request meets; counts as one use. */
  take(call: Call): Fault | null;
}

export function createFaults(cutConnections: () => void): FaultBox {
  let waiting: { fault: Fault; left: number }[] = [];
  let down = false;
  const add = (fault: Fault) => waiting.push({ fault, left: fault.times ?? 1 });
  return {
    fail: (fault) => void add({ kind: "fail", ...fault }),
    stall: (fault = {}) => void add({ kind: "stall", ...fault }),
    garble: (scope = {}) => void add({ kind: "garble", ...scope }),
    drop: (fault) => void add({ kind: "drop", ...fault }),
    down() {
      down = true;
      cutConnections();
    },
    up() {
      down = false;
    },
    clear() {
      waiting = [];
      down = false;
    },
    isDown: () => down,
    take(call) {
      const met = waiting.find((entry) => entry.fault.when?.(call) ?? true);
      if (!met) return null;
      met.left -= 1;
      if (met.left <= 0) waiting = waiting.filter((entry) => entry !== met);
      return met.fault;
    },
  };
}
