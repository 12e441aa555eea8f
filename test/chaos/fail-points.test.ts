import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { packageRoot } from "../../src/package.ts";
import { failPoints } from "../../src/resilience/fail-points.ts";

describe("the list of fail points", () => {
  it("names every point that the service comes by, and no other", () => {
    const source = readdirSync(join(packageRoot, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(packageRoot, "src", file), "utf8"))
      .join("\n");
    const placed = [...source.matchAll(/failPoint\("([^"]+)"\)/g)].map(([, name]) => name);
    expect(new Set(placed)).toEqual(new Set(failPoints));
  });
});
