/** docker-compose.yml as data: what an engine would be told, for tests on machines that have none. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";

const root = new URL("../../", import.meta.url);
export const rootFile = (name: string): string => readFileSync(new URL(name, root), "utf8");

export interface ComposeService {
  readonly image: string;
  readonly build?: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly env_file?: readonly string[];
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly user?: string;
  readonly read_only?: boolean;
  readonly tmpfs?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly healthcheck: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}
export interface Compose {
  readonly services: Readonly<Record<"ingest" | "worker" | "postgres" | "redis", ComposeService>>;
  readonly volumes: Readonly<Record<string, null>>;
}

/** Anchors resolved, variables not. */
export const readCompose = (): Compose => parse(rootFile("docker-compose.yml"), { merge: true }) as Compose;

/** The lines `NAME=value` of a file such as .env. */
export const readEnvFile = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split("\n").flatMap((line) => {
      const [, name, value = ""] = /^([A-Z_]+)=(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value]];
    }),
  );

/** `${NAME:?message}` as an engine fills it in. Throws with the message when NAME is not set. */
export const filledIn = (text: string, env: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\$\{([A-Z_]+):\?([^}]*)\}/g, (_, name: string, message: string) => {
    const value = env[name];
    if (value === undefined || value === "") throw new Error(`${name}: ${message}`);
    return value;
  });
