/** The demo's pull requests. Everything in them is made up; the faults in them are meant to be found. */
import type { SeedPullRequest } from "./github.ts";
import type { GithubFile } from "./github-shapes.ts";
import type { SeedIssue } from "./linear.ts";

const sha = (digit: string): string => digit.repeat(40);
const repository = { owner: "acme", repo: "storefront", baseSha: sha("0") } as const;

/** One hunk; each line begins with its sign. */
function hunk(oldStart: number, newStart: number, lines: readonly string[]): string {
  const removed = lines.filter((line) => !line.startsWith("+")).length;
  const added = lines.filter((line) => !line.startsWith("-")).length;
  return [`@@ -${oldStart},${removed} +${newStart},${added} @@`, ...lines].join("\n");
}

function file(filename: string, status: GithubFile["status"], ...hunks: string[]): GithubFile {
  const lines = hunks.join("\n").split("\n");
  return {
    filename,
    status,
    additions: lines.filter((line) => line.startsWith("+")).length,
    deletions: lines.filter((line) => line.startsWith("-")).length,
    patch: hunks.join("\n"),
  };
}
const added = (filename: string, lines: readonly string[]): GithubFile =>
  file(
    filename,
    "added",
    hunk(
      0,
      1,
      lines.map((line) => `+${line}`),
    ),
  );

/** Put together here, so that no scanner takes this file for a leak. */
const leakedKey = ["sk", "live", "51NfakeKeyForTheDemoOnly0000"].join("_");

const search: SeedPullRequest = {
  ...repository,
  number: 101,
  title: "Search customers by name",
  body: "Support looks customers up by name all day. This adds the search and creates the billing client where it is used.",
  branch: "mira/eng-142-customer-search",
  headSha: sha("a"),
  author: "mira-k",
  files: [
    added("src/customers/search.ts", [
      'import { db } from "../db.ts";',
      'import type { Customer } from "./customer.ts";',
      "",
      "/** Customers whose name holds the given text, by name. */",
      "export async function searchCustomers(name: string): Promise<Customer[]> {",
      "  const rows = await db.query(`select id, name, plan from customers where name ilike '%${name}%' order by name`);",
      "  return rows.map(toCustomer);",
      "}",
      "",
      "function toCustomer(row: { id: string; name: string; plan: string }): Customer {",
      "  return { id: row.id, name: row.name, plan: row.plan };",
      "}",
    ]),
    file(
      "src/billing/client.ts",
      "modified",
      hunk(1, 1, [
        ' import Stripe from "stripe";',
        " ",
        "-export const billing = new Stripe(config.stripeKey);",
        `+export const billing = new Stripe("${leakedKey}");`,
        " ",
        " export async function latestInvoice(customer: string) {",
      ]),
    ),
    file(
      "src/admin/routes.ts",
      "modified",
      hunk(24, 24, [
        ' router.get("/customers", async (request, reply) => {',
        "-  requireAdmin(request.session);",
        "   const name = String(request.query.name);",
        "+  return reply.send(await searchCustomers(name));",
        " });",
      ]),
    ),
  ],
};

const docs: SeedPullRequest = {
  ...repository,
  number: 102,
  title: "Describe how webhooks are retried",
  body: "Documentation only.",
  branch: "jon/docs-webhook-retries",
  headSha: sha("b"),
  author: "jon-b",
  files: [
    file(
      "docs/webhooks.md",
      "modified",
      hunk(40, 40, [
        " ## Delivery",
        " ",
        "-Failed deliveries are retried.",
        "+Failed deliveries are retried three times: after one, four and sixteen seconds.",
        "+After that the event is kept, and can be sent again from the dashboard.",
        " ",
        " ## Order",
      ]),
    ),
  ],
};

const jobNames = [
  "invoice-reminder",
  "usage-report",
  "trial-ending",
  "card-expiry",
  "weekly-digest",
  "export-cleanup",
  "session-sweep",
  "audit-archive",
];

/** A handler as it is moved to the new client: alike, as such changes are. */
const handler = (name: string): GithubFile =>
  added(`src/jobs/${name}.ts`, [
    'import { queue } from "../queue/client.ts";',
    "",
    `/** Runs the ${name} job for each account that is due. */`,
    "export async function run(accounts: readonly string[]): Promise<void> {",
    "  for (const account of accounts) {",
    `    await queue.add("${name}", { account });`,
    "  }",
    "}",
  ]);

const migration: SeedPullRequest = {
  ...repository,
  number: 103,
  title: "ENG-157: move background jobs to the new queue client",
  body: "Moves all handlers over and removes the old client. The lock file changes a lot, since the old client is gone.",
  branch: "queue-client-v2",
  headSha: sha("c"),
  author: "tomas-r",
  files: [
    ...jobNames.map(handler),
    added("src/queue/client.ts", [
      'import { Queue } from "fast-queue";',
      'import { config } from "../config.ts";',
      "",
      "export const queue = new Queue(config.queueUrl);",
      "",
      "/** Sends what was left over at the last stop. */",
      "export async function drain(jobs: readonly Job[]): Promise<void> {",
      "  jobs.forEach(async (job) => {",
      "    await queue.add(job.name, job.data);",
      "  });",
      "  await queue.close();",
      "}",
      "",
      "export function batches(jobs: readonly Job[], size: number): Job[][] {",
      "  const out: Job[][] = [];",
      "  for (let i = 0; i <= jobs.length; i += size) out.push(jobs.slice(i, i + size));",
      "  return out;",
      "}",
      "",
      "interface Job {",
      "  readonly name: string;",
      "  readonly data: object;",
      "}",
    ]),
    file(
      "package.json",
      "modified",
      hunk(18, 18, [
        '   "dependencies": {',
        '-    "old-queue": "^2.4.0",',
        '+    "fast-queue": "^0.3.1",',
        '     "stripe": "^23.1.0"',
        "   }",
      ]),
    ),
    file(
      "package-lock.json",
      "modified",
      hunk(
        2_210,
        2_210,
        Array.from({ length: 240 }, (_, index) =>
          index % 4 === 0
            ? `-      "resolved": "https://registry.npmjs.org/old-queue-part-${index}/-/old-queue-part-${index}-1.0.0.tgz",`
            : index === 121
              ? '+      "resolved": "https://packages.mirror.example/fast-queue/-/fast-queue-0.3.1.tgz",'
              : `+      "resolved": "https://registry.npmjs.org/fast-queue-part-${index}/-/fast-queue-part-${index}-0.3.1.tgz",`,
        ),
      ),
    ),
  ],
};

const update: SeedPullRequest = {
  ...repository,
  number: 104,
  title: "Update dependency stripe to v23.2.0",
  body: "This pull request was opened by a bot.",
  branch: "renovate/stripe-23.x",
  headSha: sha("d"),
  author: "renovate[bot]",
  authorType: "Bot",
  draft: true,
  files: [
    file(
      "package.json",
      "modified",
      hunk(19, 19, ['-    "stripe": "^23.1.0"', '+    "stripe": "^23.2.0"', "   }"]),
    ),
  ],
};

export const pullRequests: readonly SeedPullRequest[] = [search, docs, migration, update];

export const issues: readonly SeedIssue[] = [
  {
    identifier: "ENG-142",
    title: "Support can search customers by name",
    branchName: "mira/eng-142-customer-search",
    state: "In Progress",
  },
  { identifier: "ENG-157", title: "One queue client for all background jobs", state: "Todo" },
];
