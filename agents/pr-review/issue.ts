/** Which Linear issue a pull request is about, and where its state may go. */
import type { LinearIssue, LinearReads, Plain } from "../../src/agent-kit.ts";

export type State = {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly position: number;
};

/** Prefixes of standards and encodings, which look like issue keys and are none. */
const noTeams = new Set(
  "UTF CVE CWE GHSA ISO RFC SHA MD HTTP HTTPS ES ECMA TLS SSL AES RSA IPV IP PEP WCAG GPT BASE UTC GMT ASCII PCI SOC X P V A B C".split(
    " ",
  ),
);
const key = /\b([A-Z][A-Z0-9]{0,9})-(\d{1,6})\b(?![-.]\d)/g;
/** What Linear itself takes as a link in a description. A bare key there is only a mention. */
const magicWord =
  /\b(?:close[sd]?|closing|fix(?:e[sd])?|fixing|resolve[sd]?|resolving|complete[sd]?|completing|implement(?:s|ed|ing)?|refs?|references?|part of|towards|relate[sd] to|contributes to)\s*:?\s+(?:https:\/\/linear\.app\/[a-z0-9-]+\/issue\/)?$/i;

/** Issue keys in a text, in their order, each once. `teams` empty: every prefix that is no known standard's. */
export function issueKeys(text: string, teams: readonly string[], onlyAfterMagicWord = false): string[] {
  const found = [...text.matchAll(key)].filter((match) => {
    const prefix = match[1] ?? "";
    const known = teams.length > 0 ? teams.includes(prefix) : !noTeams.has(prefix);
    return known && (!onlyAfterMagicWord || magicWord.test(text.slice(0, match.index)));
  });
  return [...new Set(found.map((match) => match[0]))];
}

/** By branch first (Linear knows its own branch names), then by a key in the title, then in the description. */
export async function findIssue(
  linear: LinearReads,
  pull: { readonly headRef: string; readonly title: string; readonly body: string },
  teams: readonly string[],
): Promise<Plain<LinearIssue> | null> {
  const byBranch = await linear.issueByBranch(pull.headRef);
  if (byBranch) return byBranch;
  const keys = [
    ...issueKeys(pull.headRef.toUpperCase(), teams),
    ...issueKeys(pull.title, teams),
    ...issueKeys(pull.body, teams, true),
  ];
  for (const identifier of [...new Set(keys)].slice(0, 3)) {
    const issue = await linear.issueByIdentifier(identifier);
    if (issue && issue.identifier === identifier) return issue;
  }
  return null;
}

const order = ["triage", "backlog", "unstarted", "started", "completed", "canceled"];

/** The state an issue under review moves to; null when it is there or further on. Chosen by type, never backwards. */
export function reviewState(current: { id: string; type: string }, states: readonly State[]): State | null {
  const started = states.filter((state) => state.type === "started").sort((a, b) => a.position - b.position);
  const target = started.find((state) => /review/i.test(state.name)) ?? started[0];
  if (!target || target.id === current.id) return null;
  const from = order.indexOf(current.type);
  const to = order.indexOf(target.type);
  if (from === -1 || from > to) return null;
  if (from < to) return target;
  const position = states.find((state) => state.id === current.id)?.position;
  return position !== undefined && position < target.position ? target : null;
}
