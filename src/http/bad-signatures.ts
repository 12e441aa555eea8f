/**
 * Counts bad signatures per address, one token bucket each. It is asked only once a request has failed: whoever signs
 * well is never limited, whatever else comes from his address.
 */
import { isIPv6 } from "node:net";
import type { Clock } from "../resilience/clock.ts";

interface Bucket {
  tokens: number;
  at: number;
}

/** Beyond this the address that was quiet longest is forgotten; it then starts with a full bucket. */
const maxAddresses = 10_000;

export interface BadSignatures {
  /** Counts one. True while the address may still be told what was wrong; false once it is to be told to wait. */
  mayBeTold(address: string): boolean;
}

export function createBadSignatures(perMinute: number, clock: Clock): BadSignatures {
  const buckets = new Map<string, Bucket>();
  return {
    mayBeTold(address) {
      const key = network(address);
      const now = clock.now();
      const last = buckets.get(key) ?? { tokens: perMinute, at: now };
      const refilled = last.tokens + (Math.max(0, now - last.at) / 60_000) * perMinute;
      const tokens = Math.min(perMinute, refilled);
      // Put at the end, so that the order of the map is the order of last use.
      buckets.delete(key);
      buckets.set(key, { tokens: Math.max(0, tokens - 1), at: now });
      const [oldest] = buckets.size > maxAddresses ? buckets.keys() : [];
      if (oldest !== undefined) buckets.delete(oldest);
      return tokens >= 1;
    },
  };
}

/** Of IPv6 the first 64 bits: one customer commonly has all that follow. */
function network(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const left = head.split(":").filter((group) => group !== "");
  const right = (tail ?? "").split(":").filter((group) => group !== "");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array.from({ length: zeros }, () => "0"), ...right]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
