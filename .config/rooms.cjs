// The floor plan: each room, and the rooms it may import. Anything not listed is forbidden.
// What an import graph cannot see (process.env, console, the clock, names, lengths) is in floor-rules.mjs.
const floor = ["domain", "resilience", "observability"];
const rooms = {
  domain: [],
  resilience: ["domain"],
  // Alerts are paced and breakers are shown: it may know the clock and the policies, which know nothing of it.
  observability: ["domain", "resilience"],
  config: floor,
  sources: floor,
  http: floor,
  inbox: floor,
  journal: floor,
  queue: floor,
  worker: floor,
  llm: floor,
  eval: floor,
  destinations: floor,
  sandbox: floor,
  dashboard: ["domain"],
};
const listed = Object.keys(rooms).join("|");

// A package has one owner.
const owners = [
  ["journal", "journal", "better-sqlite3|@photostructure/sqlite|kysely"],
  ["postgres", "journal|queue", "pg|postgres"],
  ["redis", "queue", "bullmq|ioredis"],
  ["web", "http|sandbox", "hono|@hono/[^/]+"],
  ["models", "llm", "@anthropic-ai/sdk|openai"],
  ["vendors", "destinations", "@hubspot/api-client|@octokit/(?!webhooks)[^/]+|stripe|nodemailer"],
  ["smtp-server", "sandbox", "smtp-server"],
  ["yaml", "config", "yaml|chokidar"],
  ["terminal", "cli", "commander|cli-table3"],
  // The configuration renders its own faults: source line, caret, colour.
  ["colours", "cli|config", "picocolors"],
  ["preact", "dashboard", "preact|@preact/[^/]+|vite"],
  ["tokens", "sources", "jose"],
  ["expressions", "inbox", "@marcbachmann/cel-js|re2js"],
  ["templates", "llm", "liquidjs"],
  ["metrics", "observability", "prom-client|pino"],
];
const lazy =
  "@anthropic-ai/sdk|openai|@hubspot/api-client|@octokit/[^/]+|stripe|nodemailer|bullmq|ioredis|pg";

const typesOnly = ["type-only", "type-import"];

const room = (names) => `^src/(${names.join("|")})/`;
const inPackage = (names) => `^node_modules/(@types/)?(${names})/`;

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
    ...Object.entries(rooms).map(([name, may]) => ({
      name: `room-${name}`,
      severity: "error",
      comment: `src/${name} may import of ours: ${[name, ...may].join(", ")}. Rooms meet as ports in src/app.ts.`,
      from: { path: `^src/${name}/` },
      to: { path: "^(src|agents|test|bench)/", pathNot: room([name, ...may]) },
    })),
    {
      name: "every-folder-is-a-room",
      severity: "error",
      comment: "A new folder in src/ needs an entry in .config/rooms.cjs, which says what it may import.",
      from: { path: "^src/[^/]+/", pathNot: `^src/(${listed}|cli)/` },
      to: {},
    },
    {
      name: "dashboard-knows-types-only",
      severity: "error",
      comment:
        "The dashboard is a browser's program: of ours it may import types of src/domain, nothing that runs.",
      from: { path: "^src/dashboard/" },
      to: { path: "^src/domain/", dependencyTypesNot: typesOnly },
    },
    {
      name: "kit-shows-the-domain",
      severity: "error",
      comment: "src/agent-kit.ts gives agents the domain and zod, nothing else.",
      from: { path: "^src/agent-kit[.]ts$" },
      to: { path: ".", pathNot: `^src/domain/|${inPackage("zod")}` },
    },
    {
      name: "agents-use-the-kit",
      severity: "error",
      comment: "An agent imports src/agent-kit.ts and its own folder, nothing else of ours.",
      from: { path: "^agents/([^/]+)/" },
      to: { path: "^(src|agents|test|bench)/", pathNot: "^src/agent-kit[.]ts$|^agents/$1/" },
    },
    {
      name: "agents-list-agents",
      severity: "error",
      comment: "agents/index.ts is a list: one import and one entry per agent.",
      from: { path: "^agents/[^/]+$" },
      to: { path: ".", pathNot: "^src/agent-kit[.]ts$|^agents/[^/]+/agent[.]ts$" },
    },
    {
      name: "agents-touch-nothing",
      severity: "error",
      comment:
        "An agent returns a decision and actions as data; it cannot open a file, a socket or a process.",
      from: { path: "^agents/" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "domain-has-no-io",
      severity: "error",
      comment: "src/domain is pure: of Node it may use hashing, of packages zod.",
      from: { path: "^src/domain/" },
      to: { path: ".", pathNot: `^src/domain/|^(node:)?crypto$|${inPackage("zod")}` },
    },
    {
      name: "shipped-code-ships-its-packages",
      severity: "error",
      comment: "What runs without development dependencies belongs under dependencies in package.json.",
      from: { path: "^(src|agents)/", pathNot: "^src/dashboard/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: typesOnly },
    },
    {
      name: "packages-are-declared",
      severity: "error",
      comment:
        "A package that is imported is listed in package.json, not borrowed from another's dependencies.",
      from: { path: "^(src|agents|test|bench)/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
    },
    {
      name: "sdks-load-late",
      severity: "error",
      comment: "Vendor SDKs cost 100 to 300 ms each: import them inside the function that needs them.",
      from: { path: "^(src|agents)/" },
      to: { path: inPackage(lazy), dynamic: false, dependencyTypesNot: typesOnly },
    },
    ...owners.map(([name, owner, packages]) => ({
      name: `owner-of-${name}`,
      severity: "error",
      comment: `Only src/(${owner}) may import ${packages.replaceAll("|", ", ")}.`,
      from: { path: "^(src|agents)/", pathNot: `^src/(${owner})/` },
      to: { path: inPackage(packages) },
    })),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "^node_modules" },
    exclude: { path: "^dist/" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
    },
  },
};
