/**
 * Text that a model or a stranger wrote, made harmless for a comment: it pings nobody, loads nothing, links nowhere,
 * hides nothing and holds no credential.
 */
import { visible } from "../../src/agent-kit.ts";
import { redactSecrets } from "./secrets.ts";

const zeroWidth = "\u200B";

/** At most `max` characters, cut between code points. */
export function cut(text: string, max: number): string {
  const points = Array.from(text);
  return points.length <= max ? text : `${points.slice(0, max - 1).join("")}…`;
}

export function safeMarkdown(text: string, max: number): string {
  const plain = cut(redactSecrets(visible(text)), max)
    .replace(/<!--[\s\S]*?(?:-->|$)/g, "")
    .replace(/!\[/g, "[")
    .replace(/\b[a-z][a-z0-9+.-]*:\/\//gi, "")
    .replace(/\bwww\./gi, `www${zeroWidth}.`)
    .replace(/^\s*\[[^\]\n]*\]:.*$/gm, "")
    .replace(/@(?=[A-Za-z0-9])/g, `@${zeroWidth}`)
    .replace(/#(?=\d)/g, `#${zeroWidth}`);
  const safe = plain
    .split(/(```[\s\S]*?```|`[^`\n]+`)/)
    .map((part, index) =>
      index % 2 === 1 ? part : part.replace(/\]\(/g, "] (").replace(/<(?=[A-Za-z/!?])/g, "&lt;"),
    )
    .join("")
    .trim();
  return withClosedFence(safe);
}

/** A fence that is left open would swallow what comes after the text, a suggestion for one. */
function withClosedFence(text: string): string {
  let open: string | null = null;
  for (const line of text.split("\n")) {
    const ticks = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (ticks === undefined) continue;
    if (open === null) open = ticks;
    else if (ticks.startsWith(open) && line.trim() === ticks) open = null;
  }
  return open === null ? text : `${text}\n${open}`;
}

/** One line, for titles and for texts that are no Markdown. */
export const safeLine = (text: string, max: number): string =>
  cut(safeMarkdown(text.replace(/\s+/g, " ").replace(/(?:`{3,}|~{3,})/g, ""), max * 2), max);

/** A fenced block that its content cannot close. */
export function fence(language: string, code: string): string {
  const longest = Math.max(2, ...(code.match(/`+/g) ?? []).map((run) => run.length));
  const ticks = "`".repeat(longest + 1);
  return `${ticks}${language}\n${code.replace(/\n$/, "")}\n${ticks}`;
}
