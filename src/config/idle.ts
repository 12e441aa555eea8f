/**
 * Parts that lack credentials and so do less, without being wrong: a source without secrets in force is inactive, a destination
 * without credentials records its actions only (dry-run), a model without a key leaves the decisions to the rules.
 */
import type { DestinationName } from "../domain/action-kinds.ts";
import type { Fault } from "./faults.ts";
import { healingCredentials } from "./healing.ts";
import { child } from "./json-schema.ts";
import { keysOf } from "./cross-checks.ts";
import { quotedList } from "./issues.ts";
import { destinationCredentials, sourceCredentials } from "./schema.ts";
import { whyNoSecret } from "./secret-dates.ts";
import type { Config } from "./schema.ts";
import { pathKey } from "./variables.ts";
import type { Origin } from "./variables.ts";
import type { Path, YamlFile } from "./yaml.ts";

export interface Idle {
  /** Inactive sources. */
  readonly sources: ReadonlySet<string>;
  /** Destinations that only record: those without credentials; those not in the file are not listed. */
  readonly destinations: ReadonlySet<DestinationName>;
  /** Models without a key. */
  readonly models: ReadonlySet<string>;
}

/** The alternatives of credential fields per part, `sources.NAME` or `destinations.NAME`. */
interface Part {
  readonly path: Path;
  readonly alternatives: readonly (readonly string[])[];
}

const partsOf = (value: unknown): Part[] => [
  ...keysOf(child(value, "sources")).flatMap((name) => {
    const type = child(child(child(value, "sources"), name), "type");
    return isKey(sourceCredentials, type)
      ? [{ path: ["sources", name], alternatives: [sourceCredentials[type]] }]
      : [];
  }),
  ...keysOf(child(value, "destinations")).flatMap((name) =>
    isKey(destinationCredentials, name)
      ? [{ path: ["destinations", name], alternatives: destinationCredentials[name] }]
      : [],
  ),
];

/** The `healing` of each source that has one. */
const healingOf = (value: unknown): Part[] =>
  keysOf(child(value, "sources")).flatMap((name) => {
    const source = child(child(value, "sources"), name);
    const type = child(source, "type");
    return isKey(healingCredentials, type) && child(source, "healing") !== undefined
      ? [{ path: ["sources", name, "healing"], alternatives: healingCredentials[type] ?? [] }]
      : [];
  });

/** Fields that may stay unset without a fault, and the parts that are idle because of it; both by `pathKey`. */
export interface Leniency {
  readonly idleParts: ReadonlyMap<string, { path: Path; missing: readonly string[] }>;
  /** Sources whose gaps can't be healed because of it. */
  readonly unhealed: ReadonlyMap<string, { path: Path; missing: readonly string[] }>;
  allowsUnset(path: Path): boolean;
}

export function leniency(value: unknown, origins: ReadonlyMap<string, Origin>): Leniency {
  const credentials = new Set<string>();
  const idleParts = new Map<string, { path: Path; missing: readonly string[] }>();
  for (const { path, alternatives } of partsOf(value)) {
    const part = child(child(value, path[0] ?? ""), path[1] ?? "");
    for (const field of alternatives.flat()) credentials.add(pathKey([...path, field]));
    const complete = alternatives.some((fields) => fields.every((field) => !isEmpty(child(part, field))));
    if (!complete)
      idleParts.set(pathKey(path), { path, missing: missing(path, alternatives, part, origins) });
  }
  const unhealed = new Map<string, { path: Path; missing: readonly string[] }>();
  for (const { path, alternatives } of healingOf(value)) {
    credentials.add(pathKey(path));
    const part = child(child(child(value, "sources"), path[1] ?? ""), "healing");
    if (!alternatives.some((fields) => fields.every((field) => !isEmpty(child(part, field)))))
      unhealed.set(pathKey(path), { path, missing: missing(path, alternatives, part, origins) });
  }
  return {
    idleParts,
    unhealed,
    allowsUnset: (path) =>
      idleParts.has(pathKey(path.slice(0, 2))) || credentials.has(pathKey(path.slice(0, 3))),
  };
}

/** Names of the unset variables, or of the empty fields where no variable is involved. */
function missing(
  path: Path,
  alternatives: Part["alternatives"],
  part: unknown,
  origins: ReadonlyMap<string, Origin>,
): string[] {
  const fields = [...new Set(alternatives.flat())].filter((field) => isEmpty(child(part, field)));
  const prefix = (field: string): string => pathKey([...path, field]);
  const names = fields.flatMap((field) => {
    const below = [...origins.values()].filter(
      ({ path: at }) => pathKey(at.slice(0, path.length + 1)) === prefix(field),
    );
    const unset = below.flatMap((origin) => origin.unset);
    return unset.length > 0 ? unset : below.flatMap((origin) => origin.names);
  });
  return names.length > 0 ? [...new Set(names)] : fields.map((field) => `\`${field}\``);
}

/** One warning per idle part, in words that say what then happens. */
export function idleWarnings(
  config: Config,
  lenient: Leniency,
  yaml: YamlFile,
  now: number,
): { idle: Idle; warnings: Fault[] } {
  const idle = {
    sources: new Set<string>(),
    destinations: new Set<DestinationName>(),
    models: new Set<string>(),
  };
  const warnings: Fault[] = [];
  for (const { path, missing: names } of lenient.idleParts.values()) {
    const name = String(path[1]);
    const lacking = `${quotedList(names)} ${names.length === 1 ? "is" : "are"} not set`;
    if (path[0] === "sources") {
      idle.sources.add(name);
      warnings.push(
        yaml.fault(path, `source ${name} is inactive: ${lacking}; its requests are answered 503`),
      );
    } else if (isKey(destinationCredentials, name)) {
      idle.destinations.add(name);
      const alerts = (config.alerts.to as readonly string[]).includes(name)
        ? "; alerts to it are only logged"
        : "";
      warnings.push(
        yaml.fault(
          path,
          `destination ${name} is dry-run: ${lacking}; its actions are recorded, never sent${alerts}`,
        ),
      );
    }
  }
  for (const [name, source] of Object.entries(config.sources)) {
    if (idle.sources.has(name) || whyNoSecret(source, now) !== "expired") continue;
    idle.sources.add(name);
    const message = `source ${name} is inactive: its secrets have all expired; its requests are answered 503`;
    warnings.push(yaml.fault(["sources", name], message));
  }
  for (const { path, missing: names } of lenient.unhealed.values()) {
    const name = String(path[1]);
    if (idle.sources.has(name)) continue;
    const lacking = `${quotedList(names)} ${names.length === 1 ? "is" : "are"} not set`;
    warnings.push(
      yaml.fault(
        path,
        `gaps of source ${name} are not healed: ${lacking}; what can't be delivered to it is lost`,
      ),
    );
  }
  for (const [name, model] of Object.entries(config.models)) {
    if (model.apiKey) continue;
    idle.models.add(name);
    const variable = model.provider === "anthropic" ? "ANTHROPIC_API_KEY" : "OPENAI_API_KEY";
    warnings.push(
      yaml.fault(["models", name], `model ${name} is not used: ${variable} is not set; the rules decide`),
    );
  }
  if (Object.keys(config.models).length === 0)
    warnings.push({
      file: yaml.file,
      line: 0,
      column: 0,
      message: "no model is configured: the rules decide everything",
    });
  return { idle, warnings };
}

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === "" ||
  (Array.isArray(value) &&
    value.every((item) => isEmpty(child(item, "value") ?? (isSection(item) ? null : item))));

const isSection = (value: unknown): boolean => value !== null && typeof value === "object";

const isKey = <T extends object>(record: T, key: unknown): key is keyof T & string =>
  typeof key === "string" && Object.hasOwn(record, key);
