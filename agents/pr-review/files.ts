/** Which changed files are worth reading, and how many of them fit. */
import type { ChangedFile, Plain } from "../../src/agent-kit.ts";
import { annotate, parseHunks } from "./diff.ts";

export type FileFacts = Plain<ChangedFile>;

const lockFiles =
  /(^|\/)(package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|bun\.lockb?|composer\.lock|Gemfile\.lock|Cargo\.lock|poetry\.lock|uv\.lock|Pipfile\.lock|go\.sum|mix\.lock|flake\.lock|deno\.lock)$/;
const generated =
  /(\.min\.(js|css)|\.map|\.snap|\.pb\.go|_pb2\.py|\.generated\.[a-z]+|\.g\.dart|\.designer\.cs)$|(^|\/)(generated|__generated__|__snapshots__)\//i;
const vendored = /(^|\/)(vendor|node_modules|third_party|dist|build|\.yarn)\//;
const binary =
  /\.(png|jpe?g|gif|webp|ico|svg|pdf|zip|gz|tgz|jar|woff2?|ttf|eot|mp[34]|wasm|exe|dll|so|dylib|bin|csv|parquet)$/i;
const tests =
  /(^|\/)(tests?|__tests__|spec|e2e)\/|[._-](test|spec)\.[a-z]+$|_test\.(go|py|rb)$|(^|\/)test_[^/]+\.py$/i;
const prose = /\.(md|mdx|txt|rst|adoc)$|(^|\/)(LICENSE|CHANGELOG|README)[^/]*$/i;

export const isLockFile = (path: string): boolean => lockFiles.test(path);
export const isTest = (path: string): boolean => tests.test(path);
export const isProse = (path: string): boolean => prose.test(path);

function globToRegExp(glob: string): RegExp {
  const source = glob
    .split(/(\*\*\/?|\*)/)
    .map((part) => {
      if (part.startsWith("**")) return ".*";
      if (part === "*") return "[^/]*";
      return part.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
    })
    .join("");
  return new RegExp(`^${source}$`);
}

/** Why a file is not reviewed, or null. */
export function skipReason(file: FileFacts, ignore: readonly string[]): string | null {
  if (isLockFile(file.path)) return "lock file (checked by rules only)";
  if (generated.test(file.path)) return "generated";
  if (vendored.test(file.path)) return "vendored or built";
  if (binary.test(file.path)) return "binary or data";
  if (ignore.some((glob) => globToRegExp(glob).test(file.path))) return "ignored by the policy";
  if (file.patch === null) return file.status === "renamed" ? "renamed without changes" : "no diff available";
  return null;
}

export interface Coverage {
  /** The annotated diff of the files that fit. */
  readonly diff: string;
  readonly covered: readonly string[];
  readonly skipped: readonly { readonly path: string; readonly why: string }[];
  readonly total: number;
}

const rank = (file: FileFacts): number => (isProse(file.path) ? 2 : isTest(file.path) ? 1 : 0);

/**
 * Chooses what the model reads: code before tests before prose, small before large, whole files only. Hunks that only
 * remove lines stay: a removed check is the change most worth seeing.
 */
export function cover(files: readonly FileFacts[], ignore: readonly string[], maxChars: number): Coverage {
  const skipped: { path: string; why: string }[] = [];
  const covered: string[] = [];
  const parts: string[] = [];
  let used = 0;
  const ordered = [...files].sort(
    (a, b) =>
      rank(a) - rank(b) || (a.patch?.length ?? 0) - (b.patch?.length ?? 0) || (a.path < b.path ? -1 : 1),
  );
  for (const file of ordered) {
    const why = skipReason(file, ignore);
    if (why) {
      skipped.push({ path: file.path, why });
      continue;
    }
    const renamed = file.previousPath ? ` (was ${file.previousPath})` : "";
    const part = `### ${file.path} [${file.status}]${renamed}\n${annotate(parseHunks(file.patch))}\n`;
    if (used + part.length > maxChars) {
      skipped.push({ path: file.path, why: "did not fit" });
      continue;
    }
    used += part.length;
    covered.push(file.path);
    parts.push(part);
  }
  return { diff: parts.join("\n"), covered, skipped, total: files.length };
}

export const coverageLine = (coverage: Coverage): string =>
  `${coverage.covered.length} of ${coverage.total} ${coverage.total === 1 ? "file" : "files"}`;
