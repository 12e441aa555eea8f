import { describe, expect, it } from "vitest";
import { faultsOf } from "../../.config/floor-rules.mjs";

const rulesBroken = (file: string, text: string) => faultsOf(file, text).map(({ rule }) => rule);

describe("the environment", () => {
  it.each([
    "export const home = process.env.HOME;",
    'export const home = process["env"].HOME;',
    "export const home = globalThis.process.env.HOME;",
    "export const { env } = process;",
    'import { env } from "node:process"; export const home = env;',
  ])("is not read outside src/config: %s", (text) => {
    expect(rulesBroken("src/http/a.ts", text)).toEqual(["environment"]);
    expect(rulesBroken("agents/a/a.ts", text)).toEqual(["environment"]);
    expect(rulesBroken("src/config/environment.ts", text)).toEqual([]);
    expect(rulesBroken("test/stories/a.test.ts", text)).toEqual([]);
  });
});

describe("the console", () => {
  it.each(['console.log("x");', 'globalThis.console.error("x");', 'import c from "node:console"; c.log(1);'])(
    "is written by src/cli only: %s",
    (text) => {
      expect(rulesBroken("src/worker/a.ts", text)).toEqual(["console"]);
      expect(rulesBroken("src/cli/a.ts", text)).toEqual([]);
    },
  );
});

describe("the clock", () => {
  it.each([
    "const now = Date.now();",
    "const now: () => number = Date.now;",
    "const d = new Date();",
    "Date();",
  ])("is asked in src/resilience/clock.ts only: %s", (text) => {
    expect(rulesBroken("src/resilience/retry.ts", text)).toEqual(["clock"]);
    expect(rulesBroken("src/resilience/clock.ts", text)).toEqual([]);
  });

  it("runs in the browser, which has no other", () => {
    expect(rulesBroken("src/dashboard/ago.ts", "const now = Date.now();")).toEqual([]);
  });

  it("is not needed to turn a known time into a date", () => {
    expect(rulesBroken("src/http/a.ts", "export const d = (at: number) => new Date(at);")).toEqual([]);
  });
});

describe("comments and strings", () => {
  it("break no rule", () => {
    const text =
      '// process.env and console.log and Date.now()\nexport const help = "set process.env.HOME";\n';
    expect(rulesBroken("src/http/a.ts", text)).toEqual([]);
  });
});

describe("names", () => {
  it.each(["src/http/utils.ts", "src/helpers/a.ts", "agents/a/common.ts", "test/support/types.ts"])(
    "say what is in a file: %s does not",
    (file) => {
      expect(rulesBroken(file, "")).toEqual(["name"]);
    },
  );

  it("may contain such a word", () => {
    expect(rulesBroken("src/http/content-types.ts", "")).toEqual([]);
  });
});

describe("length", () => {
  it("is 400 lines at most, where code is shipped", () => {
    expect(rulesBroken("src/http/a.ts", "\n".repeat(400))).toEqual([]);
    expect(rulesBroken("src/http/a.ts", "\n".repeat(401))).toEqual(["length"]);
    expect(rulesBroken("test/http/a.test.ts", "\n".repeat(401))).toEqual([]);
  });

  it("is told with the file, the number and what to do", () => {
    expect(faultsOf("src/http/a.ts", "\n".repeat(450))).toEqual([
      {
        line: 450,
        rule: "length",
        message: "450 lines, at most 400: this file is two things, give each its own",
      },
    ]);
  });
});
