import { describe, expect, it } from "vitest";
import { createBadSignatures } from "../../src/http/bad-signatures.ts";
import { manualClock } from "../support/clock.ts";

describe("the limit on bad signatures", () => {
  const told = (limit: ReturnType<typeof createBadSignatures>, addresses: readonly string[]) =>
    addresses.map((address) => limit.mayBeTold(address));

  it("counts an IPv6 network of 64 bits as one sender, however its addresses are written", () => {
    const limit = createBadSignatures(2, manualClock());
    expect(
      told(limit, ["2001:db8::1", "2001:DB8:0:0:1:2:3:4", "2001:0db8:0000:0000::9", "2001:db8:0:0:ffff::"]),
    ).toEqual([true, true, false, false]);
    expect(told(limit, ["2001:db8:0:1::1", "2001:db8:1::1", "::1", "fe80::1"])).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it("counts IPv4 addresses one by one, and what is no address as itself", () => {
    const limit = createBadSignatures(1, manualClock());
    expect(told(limit, ["192.0.2.1", "192.0.2.2", "192.0.2.1", "unknown", "unknown", ""])).toEqual([
      true,
      true,
      false,
      true,
      false,
      true,
    ]);
  });

  it("refills evenly, never beyond its minute, and not when the clock goes backwards", async () => {
    const clock = manualClock();
    const limit = createBadSignatures(2, clock);
    const often = (count: number) =>
      told(
        limit,
        Array.from({ length: count }, () => "192.0.2.1"),
      );
    expect(often(3)).toEqual([true, true, false]);
    await clock.advance(30_000);
    expect(often(2)).toEqual([true, false]);
    await clock.advance(3_600_000);
    expect(often(3)).toEqual([true, true, false]);
    let now = 1_000_000;
    const set = createBadSignatures(1, { ...clock, now: () => now });
    expect(told(set, ["a"])).toEqual([true]);
    now = 0;
    expect(told(set, ["a"])).toEqual([false]);
  });

  it("remembers ten thousand senders and forgets the quietest, whatever a flood of others does", () => {
    const limit = createBadSignatures(1, manualClock());
    const flood = (from: number, count: number) => {
      for (let at = from; at < from + count; at += 1) limit.mayBeTold(`2001:db8:${at.toString(16)}::1`);
    };
    expect(told(limit, ["192.0.2.1"])).toEqual([true]);
    flood(0, 9_999);
    expect(told(limit, ["192.0.2.1"])).toEqual([false]);
    flood(10_000, 9_999);
    expect(told(limit, ["192.0.2.1"])).toEqual([false]);
    flood(30_000, 10_000);
    expect(told(limit, ["192.0.2.1"])).toEqual([true]);
  });
});
