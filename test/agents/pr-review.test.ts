import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { prReview } from "../../agents/pr-review/agent.ts";
import { categories, Decision, severities } from "../../agents/pr-review/decision.ts";
import { parseHunks, resolveAnchor } from "../../agents/pr-review/diff.ts";
import { cover } from "../../agents/pr-review/files.ts";
import { issueKeys, reviewState } from "../../agents/pr-review/issue.ts";
import { Policy } from "../../agents/pr-review/policy.ts";
import { decideByRules } from "../../agents/pr-review/rules.ts";
import { fence, safeLine, safeMarkdown } from "../../agents/pr-review/safe-text.ts";
import { redactSecrets } from "../../agents/pr-review/secrets.ts";
import type { ChangedFile, LinearIssue, PullRequest, Readers } from "../../src/domain/readers.ts";
import { carriedOut, play } from "../support/agent-kit.ts";
import { sharedFile, sharedNote, sharedPresent } from "../support/shared.ts";

const sha = "3f2a1b0c9d8e7f6a5b4c3d2e1f0a9b8c7d6e5f4a";
const pull: PullRequest = {
  number: 7,
  title: "Look customers up by name",
  body: "Part of the search work.",
  state: "open",
  draft: false,
  author: "mira",
  authorIsBot: false,
  headRef: "mira/eng-42-search",
  headSha: sha,
  baseRef: "main",
  baseSha: "0".repeat(40),
  url: "https://github.example/acme/shop/pull/7",
};
const source: ChangedFile = {
  path: "src/customers.ts",
  previousPath: null,
  status: "modified",
  additions: 2,
  deletions: 1,
  patch: [
    "@@ -10,4 +10,5 @@ export class Customers {",
    "   async find(name: string) {",
    "-    return this.db.query('select * from customers where name = $1', [name]);",
    "+    const sql = `select * from customers where name = '${name}'`;",
    "+    return this.db.query(sql);",
    "   }",
    " }",
  ].join("\n"),
};
const issue: LinearIssue = {
  id: "issue-1",
  identifier: "ENG-42",
  title: "Search",
  url: "https://linear.example/ENG-42",
  teamId: "team-1",
  state: { id: "todo", name: "Todo", type: "unstarted" },
};
const states = [
  { id: "todo", name: "Todo", type: "unstarted", position: 1 },
  { id: "doing", name: "In Progress", type: "started", position: 2 },
  { id: "review", name: "In Review", type: "started", position: 3 },
  { id: "done", name: "Done", type: "completed", position: 4 },
];
const payload = (action = "opened", changes: object = {}) => ({
  action,
  pull_request: { number: 7, state: "open", draft: false, user: { login: "mira", type: "User" }, ...changes },
  repository: { name: "shop", owner: { login: "acme" } },
});
function readers(
  files: readonly ChangedFile[] = [source],
  changes: Partial<PullRequest> = {},
  linked: LinearIssue | null = issue,
): Pick<Readers, "github" | "linear"> {
  return {
    github: {
      pullRequest: () => Promise.resolve({ ...pull, ...changes }),
      changedFiles: () => Promise.resolve([...files]),
    },
    linear: {
      issueByBranch: () => Promise.resolve(linked),
      issueByIdentifier: () => Promise.resolve(null),
      states: () => Promise.resolve(states),
    },
  };
}
const finding = {
  body: "The name is put into the statement as text.",
  path: "src/customers.ts",
  quote: "const sql = `select * from customers where name = '${name}'`;",
  line: 11,
  side: "RIGHT",
  category: "security",
  severity: "critical",
  confidence: 0.9,
  title: "SQL injection",
  suggestion: null,
} as const;
const review = (inputs: Map<string, unknown>) =>
  inputs.get("review") as {
    body: string;
    comments: { path: string; line: number; startLine: number | null; side: string; body: string }[];
  };

describe("pr-review", () => {
  it("puts a finding on the line that it quotes, and links, tells and moves the Linear issue", async () => {
    const { outcome } = await play(prReview, {
      payload: payload(),
      read: readers(),
      policy: { moveIssue: true },
      decision: { summary: "Adds a search.", findings: [{ ...finding, line: 99 }] },
    });
    const inputs = carriedOut(prReview, outcome.actions);
    expect(review(inputs).comments).toEqual([
      expect.objectContaining({ path: "src/customers.ts", line: 11, startLine: null, side: "RIGHT" }),
    ]);
    expect(outcome.actions.map(({ name, subject }) => [name, subject])).toEqual([
      ["review", `acme/shop#7@${sha}`],
      ["link", "acme/shop#7"],
      ["result", "acme/shop#7"],
      ["move", "acme/shop#7"],
    ]);
    expect(inputs.get("move")).toEqual({ issueId: "issue-1", stateId: "review" });
    expect(outcome.summary).toBe("1 finding in 1 of 1 file, decided by model.");
  });

  it("finds the same hole by rules when no model can be had, and says so in the review", async () => {
    const { outcome, decided } = await play(prReview, { payload: payload(), read: readers() });
    const body = review(carriedOut(prReview, outcome.actions));
    expect(decided?.decidedBy).toBe("rules");
    expect(body.comments.map(({ line }) => line)).toEqual([11]);
    expect(body.body).toContain("Decided by rules: no model is configured");
    expect(body.body).toContain("Covered: 1 of 1 file");
  });

  it("shows neither the model nor the comment nor the record a credential, and reports it whatever the model says", async () => {
    // Put together here, so that no scanner takes this file for a leak.
    const key = ["sk", "live", "51NmadeUpForThisTest000000"].join("_");
    const leak: ChangedFile = {
      ...source,
      path: "src/pay.ts",
      patch: `@@ -1,1 +1,2 @@\n import Stripe from "stripe";\n+const stripe = new Stripe("${key}");`,
    };
    const played = await play(prReview, {
      payload: payload(),
      read: readers([leak]),
      decision: { summary: `It holds ${key}.`, findings: [] },
    });
    const inputs = carriedOut(prReview, played.outcome.actions);
    expect(JSON.stringify([played.variables, [...inputs]])).not.toContain(key);
    expect(review(inputs).comments).toEqual([expect.objectContaining({ path: "src/pay.ts", line: 2 })]);
  });

  it("reports characters that the model is not shown, and that change what people read, whatever it says", async () => {
    const line = 'if (level !== "user\u202E \u2066// only admins\u2069 \u2066") return true;';
    const played = await play(prReview, {
      payload: payload(),
      read: readers([{ ...source, path: "src/access.ts", patch: `@@ -1,0 +1,1 @@\n+${line}` }]),
      decision: { summary: "It reads well.", findings: [] },
    });
    const { comments } = review(carriedOut(prReview, played.outcome.actions));
    expect(comments).toEqual([expect.objectContaining({ path: "src/access.ts", line: 1 })]);
  });

  it("folds away what is uncertain, and what quotes no line of the diff; or holds the review for a person", async () => {
    const options = {
      payload: payload(),
      read: readers(),
      decision: {
        summary: "Adds a search.",
        findings: [
          { ...finding, quote: "this line is not in the diff at all" },
          { ...finding, title: "Perhaps slow", category: "performance", confidence: 0.3 },
          { ...finding, path: "src/other.ts", title: "Elsewhere" },
        ],
      },
    };
    const played = await play(prReview, options);
    const { body, comments } = review(carriedOut(prReview, played.outcome.actions));
    expect(comments).toEqual([]);
    expect(body).toContain("Nothing found that needs a change.");
    expect(body).toMatch(/<details><summary>3 less certain<\/summary>[^]*Perhaps slow/);
    expect(played.held).toBe(false);
    expect(played.checks).toEqual([
      {
        name: "confidence",
        passed: false,
        detail: expect.stringContaining("1 of 3") as string,
        effect: "clamped",
      },
      {
        name: "evidence",
        passed: false,
        detail: expect.stringContaining("2 of 3") as string,
        effect: "clamped",
      },
    ]);
    expect((await play(prReview, { ...options, policy: { onViolation: "review" } })).held).toBe(true);
  });

  it.each([
    ["a draft", payload("opened", { draft: true }), "drafts are not reviewed"],
    [
      "a bot's",
      payload("opened", { user: { login: "renovate[bot]", type: "Bot" } }),
      "bots are not reviewed",
    ],
    ["closed", payload("opened", { state: "closed" }), "is closed"],
    ["only labelled", payload("labeled"), "is labeled"],
  ])("plans nothing and gives the reason when the pull request is %s", async (_, event, reason) => {
    const { outcome } = await play(prReview, { payload: event, read: readers() });
    expect(outcome.actions).toEqual([]);
    expect(outcome.summary).toContain(reason);
  });

  it("asks no model when every changed file is generated or locked, and still checks hosts in the lock file", async () => {
    const lock: ChangedFile = {
      ...source,
      path: "package-lock.json",
      patch:
        '@@ -1,1 +1,1 @@\n-  "resolved": "https://registry.npmjs.org/a/-/a-1.0.0.tgz",\n+  "resolved": "https://mirror.example/a/-/a-1.0.1.tgz",',
    };
    const played = await play(prReview, {
      payload: payload(),
      read: readers([lock]),
      decision: { summary: "", findings: [] },
    });
    expect(played.decided?.decidedBy).toBe("rules");
    expect(played.outcome.summary).toContain("1 finding in 0 of 1 file");
  });

  it("says nothing about a later push without findings", async () => {
    const clean = { summary: "Fine.", findings: [] };
    const first = await play(prReview, { payload: payload(), read: readers(), decision: clean });
    const later = await play(prReview, { payload: payload("synchronize"), read: readers(), decision: clean });
    const kinds = (played: typeof first) => played.outcome.actions.map(({ kind }) => kind);
    expect(kinds(first)).toContain("github.review");
    expect(kinds(later)).toEqual(["linear.attachment"]);
  });

  it("no longer applies after a push or once the pull request is closed", async () => {
    const played = await play(prReview, { payload: payload(), read: readers() });
    expect(await played.stillApplies()).toBeNull();
    expect(await played.stillApplies(readers([source], { headSha: "f".repeat(40) }))).toContain(
      "the branch moved on",
    );
    expect(await played.stillApplies(readers([source], { state: "closed" }))).toContain("closed");
  });

  it("reads every pull request payload that GitHub publishes, and never fails on one", async () => {
    const require = createRequire(import.meta.url);
    const published = require("@octokit/webhooks-examples") as {
      name: string;
      examples: unknown[];
    }[];
    const events = published
      .filter(({ name }) => name.startsWith("pull_request"))
      .flatMap(({ examples }) => examples);
    expect(events.length).toBeGreaterThan(30);
    for (const event of events) {
      const { outcome } = await play(prReview, { payload: event, read: readers() });
      expect(outcome.summary).not.toBe("");
      carriedOut(prReview, outcome.actions);
    }
  });

  it("refuses what is no pull request event, and names the missing fields", async () => {
    await expect(play(prReview, { payload: { action: "opened" } })).rejects.toThrow(
      /pull_request, repository/,
    );
  });
});

const text = fc.string({ unit: "grapheme", maxLength: 60 });
const nasty = fc.oneof(
  text,
  fc.constantFrom(
    "@everyone",
    "![x](https://evil.example/p.png)",
    "<img src=//evil.example>",
    "```",
    "../../etc",
    "<!-- x -->",
    "",
  ),
);
const anyFinding = fc.record({
  body: nasty,
  path: fc.oneof(fc.constantFrom("src/customers.ts", "package-lock.json", "src/pay.ts"), nasty),
  quote: fc.oneof(fc.constantFrom(...(source.patch ?? "").split("\n").map((line) => line.slice(1))), nasty),
  line: fc.double({ noNaN: true, noDefaultInfinity: true }),
  side: fc.constantFrom("LEFT" as const, "RIGHT" as const),
  category: fc.constantFrom(...categories),
  severity: fc.constantFrom(...severities),
  confidence: fc.double({ noNaN: true, noDefaultInfinity: true }),
  title: nasty,
  suggestion: fc.option(nasty),
});

describe("whatever a model decides about a pull request", () => {
  it("the plan stays within the caps, on this repository and issue, on lines of one hunk, and pings nobody", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ summary: nasty, findings: fc.array(anyFinding, { maxLength: 12 }) }),
        fc.integer({ min: 0, max: 8 }),
        async (decision, maxInline) => {
          expect(Decision.safeParse(decision).success).toBe(true);
          const { outcome } = await play(prReview, {
            payload: payload(),
            read: readers(),
            policy: { maxInline, moveIssue: true },
            decision,
          });
          const inputs = carriedOut(prReview, outcome.actions);
          const { comments, body, ...target } = review(inputs) as ReturnType<typeof review> & object;
          expect(target).toMatchObject({ owner: "acme", repo: "shop", number: 7, commitId: sha });
          expect(comments.length).toBeLessThanOrEqual(maxInline);
          const numbers = new Map<string, number>(
            parseHunks(source.patch).flatMap((hunk, at) =>
              hunk.lines.flatMap((line) => [
                [`LEFT${line.old}`, at] as const,
                [`RIGHT${line.new}`, at] as const,
              ]),
            ),
          );
          for (const comment of comments) {
            expect(comment.path).toBe("src/customers.ts");
            const hunk = numbers.get(`${comment.side}${comment.line}`);
            expect(hunk).toBeDefined();
            if (comment.startLine !== null) {
              expect(comment.startLine).toBeLessThan(comment.line);
              expect(numbers.get(`${comment.side}${comment.startLine}`)).toBe(hunk);
            }
          }
          const said =
            body + comments.map((comment) => comment.body.replace(/(`{3,})[^]*?\n\1/g, "")).join("\n");
          expect(said).not.toMatch(/@[A-Za-z0-9]|!\[|<img|https?:/i);
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** Patches of several hunks with gaps between them. */
const anyPatch = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 0, max: 20 }),
      lines: fc.array(
        fc.tuple(
          fc.constantFrom("+", "-", " "),
          fc.constantFrom("a();", "b(1);", "  if (x) {", "}", "", "same same same"),
        ),
        {
          minLength: 1,
          maxLength: 8,
        },
      ),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((hunks) => {
    let before = 1;
    let after = 1;
    const out: string[] = [];
    for (const { gap, lines } of hunks) {
      before += gap;
      after += gap;
      const old = lines.filter(([kind]) => kind !== "+").length;
      const added = lines.filter(([kind]) => kind !== "-").length;
      out.push(`@@ -${before},${old} +${after},${added} @@`, ...lines.map(([kind, line]) => kind + line));
      before += old;
      after += added;
    }
    return out.join("\n");
  });

describe("the anchor of a finding", () => {
  it("is always in one hunk on one side, and holds the quoted lines", () => {
    fc.assert(
      fc.property(
        anyPatch,
        fc.array(fc.constantFrom("a();", "b(1);", "if (x) {", "}", "same same same", "nowhere"), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.integer({ min: 0, max: 60 }),
        fc.constantFrom("LEFT" as const, "RIGHT" as const),
        (patch, quote, line, side) => {
          const hunks = parseHunks(patch);
          const anchor = resolveAnchor(hunks, { quote: quote.join("\n"), line, side });
          if (!anchor) return;
          const number = anchor.side === "LEFT" ? ("old" as const) : ("new" as const);
          const start = anchor.startLine ?? anchor.line;
          const homes = hunks.filter((hunk) => hunk.lines.some((entry) => entry[number] === anchor.line));
          expect(homes).toHaveLength(1);
          const between = (homes[0]?.lines ?? []).filter((entry) => {
            const at = entry[number];
            return at !== null && at >= start && at <= anchor.line;
          });
          expect(between.map((entry) => entry.text.trim())).toEqual(quote);
          expect(anchor.startLine === null || anchor.startLine < anchor.line).toBe(true);
          expect(anchor.replaceable).toBe(
            anchor.side === "RIGHT" && between.every((entry) => entry.kind === "+"),
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it("takes the match nearest to the given line, and none when the text is not there", () => {
    const hunks = parseHunks("@@ -1,1 +1,2 @@\n x();\n+y();\n@@ -40,1 +41,2 @@\n z();\n+y();");
    expect(resolveAnchor(hunks, { quote: "42 +y();", line: 40, side: "RIGHT" })?.line).toBe(42);
    expect(resolveAnchor(hunks, { quote: "y();", line: 3, side: "RIGHT" })?.line).toBe(2);
    expect(resolveAnchor(hunks, { quote: "q();", line: 2, side: "RIGHT" })).toBeNull();
  });
});

describe.skipIf(!sharedPresent)(`on real pull requests${sharedNote}`, () => {
  it("anchors every added and removed line of their diffs by its own text", () => {
    const samples = JSON.parse(sharedFile("eval/pr-review.json")) as { items: { diff: string }[] };
    let lines = 0;
    for (const { diff } of samples.items) {
      for (const part of diff.split(/^diff --git .*$/m).slice(1)) {
        const hunks = parseHunks(part.slice(part.indexOf("@@ -")));
        for (const hunk of hunks) {
          for (const line of hunk.lines.filter(({ kind, text: own }) => kind !== " " && own.trim() !== "")) {
            const side = line.kind === "+" ? "RIGHT" : "LEFT";
            const number = line.new ?? line.old ?? 0;
            expect(resolveAnchor(hunks, { quote: line.text, line: number, side })).toMatchObject({
              side,
              line: number,
            });
            lines += 1;
          }
        }
      }
    }
    expect(lines).toBeGreaterThan(300);
  });
});

describe("the parts of a review", () => {
  const facts = (files: ChangedFile[]) => ({
    repository: { owner: "acme", repo: "shop", installationId: null },
    pull,
    files: files.map((file) => ({ ...file, patch: file.patch === null ? null : redactSecrets(file.patch) })),
    issue: null,
    states: [],
  });
  const added = (path: string, ...lines: string[]): ChangedFile => ({
    ...source,
    path,
    patch: `@@ -1,0 +1,${lines.length} @@\n${lines.map((line) => `+${line}`).join("\n")}`,
  });
  const titles = (...files: ChangedFile[]) =>
    decideByRules(facts(files), Policy.parse({})).findings.map(({ title }) => title);

  it.each([
    ["eval", added("src/a.ts", "const x = eval(input);"), "Text may be run"],
    ["innerHTML", added("src/a.ts", "node.innerHTML = name;"), "Markup is inserted"],
    ["SQL from text", added("src/a.py", 'cur.execute("select a from b where c = " + name)'), "SQL is built"],
    ["an AWS key", added("README.md", ["key: AK", "IA", "MADEUPKEY0000000"].join("")), "A credential"],
    [
      "a password in a URL",
      added(".env.prod", "DB=postgres://app:h7Kq2mLw9@db.internal/app"),
      "A credential",
    ],
    ["debugging output", added("src/a.ts", "  console.log(user);"), "Debugging output"],
    [
      "text that is shown in another order",
      added("src/a.ts", 'if (level !== "user\u202E \u2066// only admins\u2069 \u2066") return true;'),
      "Invisible characters",
    ],
    ["a focused test", added("test/a.test.ts", 'it.only("works", () => {});'), "A test is switched off"],
    ["switched-off TLS", added("src/a.ts", "new Agent({ rejectUnauthorized: false })"), "Certificate checks"],
    ["a new dependency", added("package.json", '    "left-pad": "^1.3.0",'), "A dependency is added"],
    ["a TODO", added("src/a.ts", "// TODO: handle errors"), "Open work"],
  ])("rules find %s", (_, file, title) => {
    expect(titles(file)).toEqual([expect.stringContaining(title)]);
  });

  it.each([
    ["a query with parameters", added("src/a.ts", 'db.query("select a from b where c = $1", [name]);')],
    ["a secret read from the environment", added("src/a.ts", "const token = process.env.API_TOKEN;")],
    ["a placeholder", added("README.md", 'api_key = "your-api-key-here-1234"')],
    ["comparing innerHTML", added("src/a.ts", 'if (node.innerHTML === "") return;')],
    ["prose in two directions", added("README.md", "\u202Bשלום\u202C")],
    ["a translation into Hebrew", added("locales/he.json", '  "hello": "\u202Bשלום\u202C",')],
    ["an emoji of several characters", added("src/a.ts", 'const team = "👩\u200D👩\u200D👧";')],
    ["a version of the package itself", added("package.json", '  "version": "1.2.0",')],
  ])("rules say nothing about %s", (_, file) => {
    expect(titles(file)).toEqual([]);
  });

  it("a removed check is found on the left side", () => {
    const file = {
      ...source,
      patch:
        "@@ -5,3 +5,2 @@\n async function act() {\n-  if (!session.isAuthorized(user)) throw new Denied();\n   run();",
    };
    expect(decideByRules(facts([file]), Policy.parse({})).findings).toEqual([
      expect.objectContaining({ title: "A check is removed", side: "LEFT", line: 6 }),
    ]);
  });

  it("a rule that the policy names is off", () => {
    const policy = Policy.parse({ rules: { disabled: ["marker"] } });
    expect(decideByRules(facts([added("src/a.ts", "// TODO")]), policy).findings).toEqual([]);
  });

  it("coverage names what is left out and why, and prefers code over prose", () => {
    const files = [
      { ...source, path: "docs/a.md", patch: `@@ -1,0 +1,1 @@\n+${"x".repeat(900)}` },
      { ...source, path: "yarn.lock" },
      { ...source, path: "logo.png", patch: null },
      source,
    ];
    const coverage = cover(files, [], 1_000);
    expect(coverage.covered).toEqual(["src/customers.ts"]);
    expect(coverage.skipped.map(({ path, why }) => `${path}: ${why}`).sort()).toEqual([
      "docs/a.md: did not fit",
      "logo.png: binary or data",
      "yarn.lock: lock file (checked by rules only)",
    ]);
  });

  it("UTF-8 and CVE-2024 are no issue keys, and a bare key in a description is only a mention", () => {
    expect(issueKeys("ENG-42: use UTF-8, see CVE-2024-3094 and SHA-256", [])).toEqual(["ENG-42"]);
    expect(issueKeys("ENG-42 and OPS-7", ["OPS"])).toEqual(["OPS-7"]);
    expect(issueKeys("Like ENG-1. Fixes ENG-2, part of ENG-3.", [], true)).toEqual(["ENG-2", "ENG-3"]);
  });

  it("an issue moves forward to the review state, never back", () => {
    const to = (id: string, type: string) => reviewState({ id, type }, states)?.id ?? null;
    expect(to("todo", "unstarted")).toBe("review");
    expect(to("doing", "started")).toBe("review");
    expect(to("review", "started")).toBeNull();
    expect(to("done", "completed")).toBeNull();
    expect(to("gone", "canceled")).toBeNull();
  });

  it("text of strangers pings nobody, loads nothing, links nowhere and hides nothing", () => {
    const safe = safeMarkdown(
      "Hi @octocat ![p](https://evil.example/a.png) [go](//evil.example) <img src=x> a\u202Eb <!-- c -->",
      500,
    );
    expect(safe).not.toMatch(/@octocat|!\[|https:|\]\(|<img|\u202E|<!--/);
  });

  it("a fence that a model left open swallows nothing that comes after it", () => {
    expect(safeMarkdown("see:\n```ts\nconst a = 1;", 500)).toBe("see:\n```ts\nconst a = 1;\n```");
    expect(safeMarkdown("```\ncode\n```\nafter", 500)).toBe("```\ncode\n```\nafter");
    expect(safeLine("``` open", 100)).toBe("open");
  });

  it("a fence is longer than any inside it", () => {
    expect(fence("suggestion", "a\n````\nb")).toBe("`````suggestion\na\n````\nb\n`````");
  });
});
