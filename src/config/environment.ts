/** The only place that reads the process's environment. Everything else gets what it needs from here. */
import { nothingFails, readFailPlan } from "../resilience/fail-points.ts";
import type { FailPlan } from "../resilience/fail-points.ts";
import { lookUp } from "./variables.ts";
import type { Variables } from "./variables.ts";

export type { Variables } from "./variables.ts";

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
type LogLevel = (typeof logLevels)[number];

export interface Environment {
  /** SIGNALBOX_CONFIG: the configuration file, relative to the working directory. */
  readonly configFile: string | null;
  /** SIGNALBOX_ADMIN_TOKEN. */
  readonly adminToken: string | null;
  /** SIGNALBOX_DATA_DIR, relative to the working directory. */
  readonly dataDir: string;
  /** Both set: the server profile; both null: the embedded one. */
  readonly databaseUrl: string | null;
  readonly redisUrl: string | null;
  /** SIGNALBOX_REDIS_PREFIX: what the keys in Redis begin with, so that two installations can share one. */
  readonly redisPrefix: string;
  /** SIGNALBOX_REDIS_ALLOW_EVICTION: takes a Redis that may drop keys when it is full. */
  readonly redisAllowEviction: boolean;
  readonly logLevel: LogLevel;
  /** SIGNALBOX_ENCRYPTION_KEY: 32 bytes each, the one that seals first; empty leaves content plain. */
  readonly encryptionKeys: readonly Buffer[];
  readonly anthropicApiKey: string | null;
  readonly openaiApiKey: string | null;
  readonly anthropicBaseUrl: string | null;
  readonly openaiBaseUrl: string | null;
  /** NO_COLOR → never; FORCE_COLOR → always; else it depends on the terminal. */
  readonly color: "never" | "always" | "auto";
  /** SIGNALBOX_FAIL_POINTS: where the process is to die, for the tests of what it then keeps. */
  readonly failPlan: FailPlan;
  /** No prompts, no progress bars. */
  readonly ci: boolean;
  /** All variables, for `${NAME}` in the configuration. */
  readonly variables: Variables;
}

/** The environment contradicts itself or can't be understood. `faults` lists everything at once and holds no value of a secret. */
export class InvalidEnvironment extends Error {
  override readonly name = "InvalidEnvironment";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

/** Reads NAME, or the file that NAME_FILE names. Throws InvalidEnvironment. */
export function readEnvironment(env: Variables = process.env): Environment {
  const faults: string[] = [];
  const read = (name: string): string | null => {
    try {
      return lookUp(name, env);
    } catch (error) {
      faults.push(error instanceof Error ? error.message : `${name} can't be read`);
      return null;
    }
  };
  const databaseUrl = read("DATABASE_URL");
  const redisUrl = read("REDIS_URL");
  const failedFiles = faults.length > 0;
  if (!failedFiles && (databaseUrl === null) !== (redisUrl === null))
    faults.push(oneOfTwo(databaseUrl !== null));
  if (databaseUrl !== null && !hasScheme(databaseUrl, ["postgres:", "postgresql:"]))
    faults.push(
      `DATABASE_URL is no PostgreSQL address; it looks like postgresql://user:password@host:5432/name${inPasswords}`,
    );
  if (redisUrl !== null && !hasScheme(redisUrl, ["redis:", "rediss:"]))
    faults.push(
      `REDIS_URL is no Redis address; it looks like redis://host:6379 or rediss://user:password@host:6379${inPasswords}`,
    );
  else if (redisUrl !== null && !/^\/?\d*$/.test(new URL(redisUrl).pathname))
    faults.push("REDIS_URL ends with a database that is no number; it looks like redis://host:6379/0");
  const redisPrefix = env["SIGNALBOX_REDIS_PREFIX"] || "signalbox";
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(redisPrefix))
    faults.push("SIGNALBOX_REDIS_PREFIX may hold letters, digits, - and _, at most 64 of them");
  const level = (env["LOG_LEVEL"] ?? "").toLowerCase() || "info";
  const logLevel = logLevels.find((one) => one === level);
  if (logLevel === undefined) faults.push(`LOG_LEVEL is not one of ${logLevels.join(", ")}`);

  const encryptionKeys = readKeys(read("SIGNALBOX_ENCRYPTION_KEY") ?? "", faults);

  const environment: Environment = {
    configFile: env["SIGNALBOX_CONFIG"] || null,
    adminToken: read("SIGNALBOX_ADMIN_TOKEN"),
    dataDir: env["SIGNALBOX_DATA_DIR"] || ".signalbox",
    databaseUrl,
    redisUrl,
    redisPrefix,
    redisAllowEviction: isOn(env["SIGNALBOX_REDIS_ALLOW_EVICTION"]),
    logLevel: logLevel ?? "info",
    encryptionKeys,
    anthropicApiKey: read("ANTHROPIC_API_KEY"),
    openaiApiKey: read("OPENAI_API_KEY"),
    anthropicBaseUrl: env["ANTHROPIC_BASE_URL"] || null,
    openaiBaseUrl: env["OPENAI_BASE_URL"] || null,
    failPlan: failPlanIn(env, faults),
    color: colorOf(env),
    ci: isOn(env["CI"]),
    variables: env,
  };
  if (faults.length > 0) throw new InvalidEnvironment(faults);
  return environment;
}

const own = ["SIGNALBOX_CONFIG", "SIGNALBOX_DATA_DIR", "NO_COLOR", "FORCE_COLOR", "TERM", "CI"] as const;

/**
 * What concerns a command that has nothing to do with a service of this environment (the demo, `init`): where it writes and
 * how it looks. Addresses and credentials that are set for something else can't keep it from running.
 */
export const readBareEnvironment = (env: Variables = process.env): Environment =>
  readEnvironment(Object.fromEntries(own.map((name) => [name, env[name]])));

function failPlanIn(env: Variables, faults: string[]): FailPlan {
  const text = env["SIGNALBOX_FAIL_POINTS"] ?? "";
  if (text === "") return nothingFails;
  try {
    return readFailPlan(text);
  } catch (error) {
    faults.push(`SIGNALBOX_FAIL_POINTS: ${error instanceof Error ? error.message : String(error)}`);
    return nothingFails;
  }
}

/** Several, with commas between, while a key is being replaced. */
function readKeys(text: string, faults: string[]): Buffer[] {
  const parts = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return parts.flatMap((part, index) => {
    const isHex = /^[0-9a-f]{64}$/i.test(part);
    const isBase64 = /^[A-Za-z0-9+/_-]{43}=?$/.test(part);
    if (isHex || isBase64) return [Buffer.from(part, isHex ? "hex" : "base64")];
    const which = parts.length === 1 ? "" : `, key ${index + 1},`;
    faults.push(
      `SIGNALBOX_ENCRYPTION_KEY${which} is not 32 bytes in base64 or hex; make one with: openssl rand -base64 32`,
    );
    return [];
  });
}

const inPasswords = " (in a password, write @ : / ? # % as %40 %3A %2F %3F %23 %25)";

const oneOfTwo = (database: boolean): string => {
  const [set, unset] = database ? ["DATABASE_URL", "REDIS_URL"] : ["REDIS_URL", "DATABASE_URL"];
  return `${set} is set without ${unset}: set both for the server profile, or neither for the embedded one`;
};

function hasScheme(text: string, schemes: readonly string[]): boolean {
  return URL.canParse(text) && schemes.includes(new URL(text).protocol);
}

const isOn = (value: string | undefined): boolean =>
  value !== undefined && !["", "0", "false"].includes(value);

/** no-color.org: any non-empty NO_COLOR counts; FORCE_COLOR=0 means off. */
function colorOf(env: Variables): Environment["color"] {
  if ((env["NO_COLOR"] ?? "") !== "") return "never";
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return isOn(forced) || forced === "" ? "always" : "never";
  return env["TERM"] === "dumb" ? "never" : "auto";
}
