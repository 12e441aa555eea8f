import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileExpression } from "../../src/inbox/expressions.ts";
import { fitsGlob, matches } from "../../src/inbox/patterns.ts";
import { compileRoute, routeEvent } from "../../src/inbox/routing.ts";
import type { RouteOptions } from "../../src/inbox/routing.ts";

const event = {
  id: "evt_1",
  source: "github",
  type: "pull_request.opened",
  receivedAt: new Date("2026-11-24T12:00:00Z"),
};
const route = (over: Partial<RouteOptions> = {}) =>
  compileRoute({
    name: "all",
    source: "github",
    events: ["*"],
    agent: "pr-review",
    mode: "auto",
    enabled: true,
    ...over,
  });
const routed = (routes: Partial<RouteOptions>[], payload: unknown = {}) =>
  routeEvent(routes.map(route), event, payload);

describe("routing", () => {
  it("matches by source and by globs over the event type", () => {
    expect(routed([{ events: ["pull_request.*"] }]).status).toBe("routed");
    expect(routed([{ events: ["push"] }]).status).toBe("unrouted");
    expect(routed([{ source: "stripe" }]).status).toBe("unrouted");
  });

  it("starts one run per agent: the first route that leads to it counts", () => {
    const { matches: found } = routed([{ name: "a" }, { name: "b" }, { name: "c", agent: "email-triage" }]);
    expect(found.map((match) => [match.route, match.agent])).toEqual([
      ["a", "pr-review"],
      ["c", "email-triage"],
    ]);
  });

  it("calls an event inactive when only disabled routes match it", () => {
    expect(routed([{ enabled: false }]).status).toBe("inactive");
    expect(routed([{ enabled: false }, { agent: "email-triage" }]).status).toBe("routed");
  });

  it("evaluates conditions over payload and event", () => {
    const when = (condition: string, payload: unknown) => routed([{ if: condition }], payload).status;
    expect(when("payload.action == 'opened' && event.type.startsWith('pull')", { action: "opened" })).toBe(
      "routed",
    );
    expect(when("event.receivedAt > timestamp('2026-01-01T00:00:00Z')", {})).toBe("routed");
    expect(when("re(payload.title, '^fix')", { title: "fix: it" })).toBe("routed");
    expect(when("payload.action == 'closed'", { action: "opened" })).toBe("unrouted");
    expect(when("payload.action", { action: "opened" })).toBe("unrouted");
  });

  it("takes a condition or key that fails for no match, and says so", () => {
    const { status, faults } = routed([{ if: "payload.missing.field == 1" }]);
    expect(status).toBe("unrouted");
    expect(faults).toEqual([{ route: "all", part: "if", message: "No such key: missing" }]);
    const keyed = routed([{ concurrency: { key: "payload.missing", limit: 1, supersede: false } }]);
    expect(keyed).toMatchObject({ status: "unrouted", faults: [{ part: "concurrency.key" }] });
  });

  it("computes the concurrency key", () => {
    const key = "payload.repository.full_name + '#' + string(payload.pull_request.number)";
    const { matches: found } = routed([{ concurrency: { key, limit: 1, supersede: true } }], {
      repository: { full_name: "octo/repo" },
      pull_request: { number: 7 },
    });
    expect(found[0]?.concurrency).toEqual({ key: "octo/repo#7", limit: 1, supersede: true });
  });

  it("never throws, whatever the payload", () => {
    const routes = [
      {
        if: "payload.a.b > 1 || payload.c == 'x'",
        concurrency: { key: "payload.k", limit: 1, supersede: false },
      },
      { match: { a: { b: { $gte: 1 } }, c: ["x", null] } },
    ].map(route);
    fc.assert(fc.property(fc.jsonValue(), (payload) => void routeEvent(routes, event, payload)));
  });
});

describe("expressions", () => {
  it("are refused with the place of the fault", () => {
    const fault = (text: string) => {
      const result = compileExpression(text);
      return "fault" in result ? result.fault : null;
    };
    expect(fault("evnt.type == 'x'")).toEqual({ message: "Unknown variable: evnt", column: 1 });
    expect(fault("payload.a ==")).toMatchObject({
      message: expect.stringContaining("Unexpected token"),
      column: 13,
    });
    expect(fault("payload.a.matches('(a+)+$')")).toMatchObject({
      message: expect.stringContaining("re(text, pattern)"),
    });
  });

  it("take linear time for patterns that would make a backtracking engine hang", () => {
    const result = compileExpression("re(payload.text, '(a+)+$')");
    if ("fault" in result) throw new Error(result.fault.message);
    expect(result.expression({ text: `${"a".repeat(5_000)}!` }, event)).toBe(false);
  });
});

describe("match patterns", () => {
  it.each([
    [{ a: 1 }, { a: 1, b: 2 }, true],
    [{ a: 1 }, { a: 2 }, false],
    [{ a: { b: false } }, { a: { b: false } }, true],
    [{ a: [1, 2] }, { a: 2 }, true],
    [{ a: null }, { a: null }, true],
    [{ a: null }, {}, false],
    [{ a: { $gte: 5 } }, { a: 5 }, true],
    [{ a: { $gt: 5 } }, { a: "6" }, false],
    [{ a: { $lt: "b" } }, { a: "a" }, true],
    [{ a: { $in: ["x"] } }, { a: "x" }, true],
    [{ a: { $ne: "x" } }, {}, true],
    [{ a: { $exists: false } }, {}, true],
    [{ a: { $exists: true } }, { a: null }, true],
    [{ a: { $startsWith: "fe", $endsWith: "at" } }, { a: "feat" }, true],
    [{ a: { $contains: "b" } }, { a: ["a", "b"] }, true],
    [{ a: { $contains: "z" } }, { a: "abc" }, false],
    [{ toString: { $exists: false } }, {}, true],
  ])("%j on %j is %s", (pattern, value, fits) => expect(matches(pattern, value)).toBe(fits));

  it.each([
    ["pull_request.*", "pull_request.opened", true],
    ["pull_request.*", "pull_request_review.submitted", false],
    ["*", "anything", true],
    ["customer.*.deleted", "customer.subscription.deleted", true],
    ["a*a", "a", false],
    ["*.opened", "pull_request.opened", true],
    ["push", "push", true],
    ["push", "pushed", false],
  ])("glob %s on %s is %s", (glob, type, fits) => expect(fitsGlob(glob, type)).toBe(fits));
});
