/**
 * What the shape alone can't say: names that must exist, names that must differ, expressions that must compile. Works
 * on the resolved values before the shape is known to be right, so that all faults of a file come at once.
 */
import { destinationNames } from "../domain/action-kinds.ts";
import { closest } from "../domain/closest.ts";
import { parseNetwork, shippedAddressLists } from "../domain/network.ts";
import type { Fault } from "./faults.ts";
import { quotedList, spoken, valueAt } from "./issues.ts";
import type { IssueContext } from "./issues.ts";
import { child } from "./json-schema.ts";
import { pathKey } from "./variables.ts";
import type { Path } from "./yaml.ts";

/** `column` counts from 1 within the expression. */
export type CheckExpression = (text: string) => { message: string; column?: number | undefined } | null;

export interface CrossCheckContext extends IssueContext {
  readonly agents: readonly string[];
  readonly checkExpression: CheckExpression;
}

export function crossChecks(context: CrossCheckContext): Fault[] {
  return [
    ...routeFaults(context),
    ...sourceFaults(context),
    ...allowFromFaults(context),
    ...hubspotFaults(context),
    ...destinationFaults(context),
    ...alertFaults(context),
    ...reviewFaults(context),
    ...perAgentFaults(context),
    ...portFaults(context),
  ];
}

export const keysOf = (value: unknown): string[] =>
  value !== null && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : [];

const itemsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function routeFaults(context: CrossCheckContext): Fault[] {
  const { value, agents } = context;
  const sources = keysOf(child(value, "sources"));
  const faults: (Fault | null)[] = [];
  const lines = new Map<string, number>();
  for (const [index, route] of itemsOf(child(value, "routes")).entries()) {
    const at = (...keys: PropertyKey[]): Path => ["routes", index, ...keys];
    faults.push(
      unknownName(at("source"), "source", sources, "Add it under `sources:`, or name one of those.", context),
    );
    faults.push(
      unknownName(at("agent"), "agent", agents, "An agent is named as its file in prompts/ is.", context),
    );
    faults.push(duplicateName(at("name"), child(route, "name"), lines, context));
    faults.push(expressionFault(at("if"), context), expressionFault(at("concurrency", "key"), context));
  }
  return faults.filter((fault) => fault !== null);
}

/** Of the names that `limits.perAgent` gives, those that no agent has. */
/** Limits and reviews may say something else for an agent, by its name. */
function perAgentFaults({ value, agents, yaml }: CrossCheckContext): Fault[] {
  return ["limits", "reviews"].flatMap((section) =>
    keysOf(valueAt(value, [section, "perAgent"]))
      .filter((name) => !agents.includes(name))
      .map((name) => {
        const suggestion = closest(name, agents);
        return yaml.fault([section, "perAgent", name], `there is no agent \`${name}\``, {
          allowed: quotedList(agents),
          ...(suggestion === undefined ? {} : { suggestion }),
          fix: "An agent is named as its file in prompts/ is.",
        });
      }),
  );
}

function unknownName(
  path: Path,
  what: string,
  known: readonly string[],
  fix: string,
  context: CrossCheckContext,
): Fault | null {
  const name = valueAt(context.value, path);
  if (typeof name !== "string" || known.includes(name)) return null;
  const written = spoken(path, context);
  const suggestion = written === null ? undefined : closest(written, known);
  const variables = context.origins.get(pathKey(path))?.names ?? [];
  return context.yaml.fault(
    path,
    written === null ? `${quotedList(variables)} names no ${what}` : `there is no ${what} \`${written}\``,
    {
      allowed: known.length === 0 ? "none is configured" : quotedList(known),
      ...(suggestion === undefined ? {} : { suggestion }),
      fix,
    },
  );
}

function duplicateName(
  path: Path,
  name: unknown,
  lines: Map<string, number>,
  { yaml }: CrossCheckContext,
): Fault | null {
  if (typeof name !== "string" || name === "") return null;
  const first = lines.get(name);
  if (first === undefined) {
    lines.set(name, yaml.positionOf(path).line);
    return null;
  }
  return yaml.fault(path, `the route of line ${first} has this name too`, {
    fix: "Give each route a name of its own.",
  });
}

function expressionFault(path: Path, context: CrossCheckContext): Fault | null {
  const text = valueAt(context.value, path);
  if (typeof text !== "string" || text === "") return null;
  const found = context.checkExpression(text);
  if (found === null) return null;
  const offset = context.origins.has(pathKey(path)) ? 0 : Math.max(0, (found.column ?? 1) - 1);
  return context.yaml.fault(path, `this expression can't be used: ${found.message}`, {
    offset,
    allowed: "CEL over `payload` (the body) and `event` (id, source, type, receivedAt)",
  });
}

function sourceFaults({ value, yaml, origins }: CrossCheckContext): Fault[] {
  const faults: Fault[] = [];
  const sources = child(value, "sources");
  for (const name of keysOf(sources)) {
    const source = child(sources, name);
    if (child(source, "type") !== "gmail") continue;
    const at = (key: string): Path => ["sources", name, key];
    const account = child(source, "account");
    const unset = (origins.get(pathKey(at("account")))?.unset.length ?? 0) > 0;
    if (typeof account === "string" && !unset && !/^[^\s@]+@[^\s@]+$/.test(account))
      faults.push(
        yaml.fault(at("account"), "`account` must be the mailbox's address, such as support@acme.example"),
      );
    if (child(source, "keySetUrl") && child(source, "jwksUrl"))
      faults.push(
        yaml.fault(at("jwksUrl"), "`jwksUrl` is another name for `keySetUrl`", {
          part: "key",
          fix: "Keep one of the two.",
        }),
      );
  }
  return faults;
}

/** HubSpot signs the address that it sends to: without it, an active source would refuse everything. */
function hubspotFaults({ value, yaml }: CrossCheckContext): Fault[] {
  if (valueAt(value, ["server", "publicUrl"])) return [];
  const sources = child(value, "sources");
  return keysOf(sources).flatMap((name) => {
    const source = child(sources, name);
    const set = itemsOf(child(source, "secrets")).some((entry) => child(entry, "value") ?? entry);
    if (child(source, "type") !== "hubspot" || child(source, "url") || !set) return [];
    return [
      yaml.fault(["sources", name], "`url` is missing: HubSpot signs the address that it sends to", {
        fix: "Set server.publicUrl, or this source's `url`, to the address as it stands in your app.",
      }),
    ];
  });
}

/** An entry that is nothing we know would let nobody in. */
function allowFromFaults({ value, yaml }: CrossCheckContext): Fault[] {
  const names = [...Object.keys(shippedAddressLists), ...keysOf(valueAt(value, ["server", "addressLists"]))];
  return keysOf(child(value, "sources")).flatMap((name) =>
    itemsOf(valueAt(value, ["sources", name, "allowFrom"])).flatMap((entry, index) => {
      if (typeof entry !== "string" || names.includes(entry) || parseNetwork(entry) !== null) return [];
      const suggestion = closest(entry, names);
      return [
        yaml.fault(
          ["sources", name, "allowFrom", index],
          "this is no address, no network and no known list",
          {
            allowed: `${quotedList([...new Set(names)])}, or addresses and networks such as 10.0.0.0/8`,
            ...(suggestion === undefined ? {} : { suggestion }),
          },
        ),
      ];
    }),
  );
}

function destinationFaults({ value, yaml }: CrossCheckContext): Fault[] {
  const faults: Fault[] = [];
  const subdomainAt = ["destinations", "zendesk", "subdomain"];
  const subdomain = valueAt(value, subdomainAt);
  if (typeof subdomain === "string" && subdomain !== "" && !/^[a-z0-9][a-z0-9-]*$/i.test(subdomain))
    faults.push(
      yaml.fault(subdomainAt, "`subdomain` must be the first word of your Zendesk address", {
        allowed: "`acme` for acme.zendesk.com",
      }),
    );
  const fromAt = ["destinations", "email", "from"];
  const from = valueAt(value, fromAt);
  if (typeof from === "string" && from !== "" && !/^[^\r\n]*[^\s@<]+@[^\s@>]+>?$/.test(from))
    faults.push(
      yaml.fault(fromAt, "`from` must hold a mail address", {
        allowed: "`hello@acme.example` or `Acme <hello@acme.example>`",
      }),
    );
  return faults;
}

const alertFaults = (context: CrossCheckContext): Fault[] =>
  toDestinationFaults(["alerts", "to"], "alerts go", context);

/** A list of destinations that all have to be there. `say` begins the sentence. */
function toDestinationFaults(path: Path, say: string, { value, yaml }: CrossCheckContext): Fault[] {
  const configured = keysOf(child(value, "destinations"));
  return itemsOf(valueAt(value, path)).flatMap((name, index) => {
    const known = destinationNames.find((one) => one === name);
    if (known === undefined || configured.includes(known)) return [];
    return [
      yaml.fault([...path, index], `${say} to \`${known}\`, which is not under \`destinations:\``, {
        fix: `Add \`${known}:\` under \`destinations:\`, or take it out of the list.`,
      }),
    ];
  });
}

function reviewFaults(context: CrossCheckContext): Fault[] {
  const { value, yaml } = context;
  const lists: Path[] = [
    ["reviews", "to"],
    ...keysOf(valueAt(value, ["reviews", "perAgent"])).map((agent) => ["reviews", "perAgent", agent, "to"]),
  ];
  const faults = lists.flatMap((path) => toDestinationFaults(path, "notices go", context));
  if (valueAt(value, ["reviews", "slack"]) === undefined) return faults;
  const sources = child(value, "sources");
  const ofSlack = keysOf(sources).filter((name) => child(child(sources, name), "type") === "slack");
  const at: Path = ["reviews", "slack", "source"];
  const unknown = unknownName(at, "source of type slack", ofSlack, "Add one under `sources:`.", context);
  if (unknown !== null) faults.push(unknown);
  if (child(child(value, "destinations"), "slack") === undefined)
    faults.push(
      yaml.fault(
        ["reviews", "slack"],
        "the buttons come with notices in Slack, which is not under `destinations:`",
        {
          part: "key",
          fix: "Add `slack:` under `destinations:`, with the bot token of the same app.",
        },
      ),
    );
  return faults;
}

function portFaults({ value, yaml }: CrossCheckContext): Fault[] {
  const path = ["server", "adminPort"];
  const port = Number(valueAt(value, ["server", "port"]) ?? 8080);
  const admin = Number(valueAt(value, path) ?? 8090);
  if (port !== admin || port === 0) return [];
  return [yaml.fault(path, "`adminPort` and `port` are the same; each needs a port of its own")];
}
