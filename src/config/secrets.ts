/** Secrets come out of the environment only: what the file itself says in a secret's place is an error. */
import type { Fault } from "./faults.ts";
import { visitScalars } from "./json-schema.ts";
import { pathKey } from "./variables.ts";
import type { Origin } from "./variables.ts";
import type { Path, YamlFile } from "./yaml.ts";

/** Faults for literals in secret fields; their values are hidden from every later excerpt of the file. */
export function literalSecrets(raw: unknown, origins: ReadonlyMap<string, Origin>, yaml: YamlFile): Fault[] {
  const found: Path[] = [];
  visitScalars(raw, (path, value, node) => {
    if (node?.["x-secret"] !== true) return;
    const literal =
      node["x-url"] === true ? passwordOf(String(value ?? "")) : literalOf(path, value, origins);
    if (literal === "") return;
    yaml.hide(path);
    found.push(path);
  });
  return found.map((path) =>
    yaml.fault(path, `\`${fieldOf(path)}\` is a secret and must not stand in the file`, {
      fix: `Write "\${${variableFor(path)}}" here and set ${variableFor(path)} in the environment (or ${variableFor(path)}_FILE to a file that holds it).`,
    }),
  );
}

/** The paths of all secrets, by `pathKey`. */
export function secretPaths(raw: unknown): ReadonlySet<string> {
  const paths = new Set<string>();
  visitScalars(raw, (path, _, node) => void (node?.["x-secret"] === true && paths.add(pathKey(path))));
  return paths;
}

function literalOf(
  path: Path,
  value: string | number | boolean | null,
  origins: ReadonlyMap<string, Origin>,
): string {
  const origin = origins.get(pathKey(path));
  if (origin !== undefined) return origin.literals.join("");
  return value === null ? "" : String(value);
}

/** The password that a URL itself spells out; variables don't count, their defaults do. */
function passwordOf(raw: string): string {
  const text = raw.replace(
    /\$\{[A-Za-z_][A-Za-z0-9_]*(?::-([^}]*))?\}/g,
    (_, preset: string | undefined) => preset ?? "",
  );
  const userinfo = /^[a-z][a-z0-9+.-]*:\/\/(.*)@/is.exec(text)?.[1] ?? "";
  const colon = userinfo.indexOf(":");
  return colon < 0 ? "" : userinfo.slice(colon + 1);
}

/** `sources.stripe.secrets[1].value`: the secret of an entry with dates. */
const isDated = (path: Path): boolean => path.at(-1) === "value" && typeof path.at(-2) === "number";

const fieldOf = (path: Path): string =>
  String((isDated(path) ? path.slice(0, -1) : path).findLast((key) => typeof key === "string") ?? "");

/** `destinations.hubspot.token` → HUBSPOT_TOKEN; `sources.stripe.secrets[1]` → STRIPE_SECRET_2. */
function variableFor(path: Path): string {
  if (isDated(path)) return variableFor(path.slice(0, -1));
  const last = path.at(-1);
  const field = fieldOf(path).replace(/s$/, (end) => (typeof last === "number" ? "" : end));
  const words = [String(path[1] ?? ""), field.replace(/([A-Z])/g, "_$1")];
  const number = typeof last === "number" && last > 0 ? `_${last + 1}` : "";
  return (
    words
      .join("_")
      .toUpperCase()
      .replace(/[^A-Z0-9]+/g, "_") + number
  );
}
