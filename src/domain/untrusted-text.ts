/**
 * Text that strangers wrote, before a model reads it: what people can't see is taken out, and it is cut at a budget. Pure.
 * Where it ends is marked when a prompt is filled (src/llm/template.ts).
 */

/**
 * Characters that people do not see but models read: tag characters, variation selectors, zero-width, bidirectional and
 * other format controls, blank fillers, control characters, and noncharacters.
 */
const invisible =
  /[\u{E0000}-\u{E007F}\u{E0100}-\u{E01EF}\uFE00-\uFE0F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFDD0-\uFDEF\uFFF0-\uFFFB\u{1D173}-\u{1D17A}]|[^\P{Cc}\t\n\r]/gu;

/** Text as people see it; lone surrogates, which no provider accepts, become U+FFFD. */
export const visible = (text: string): string =>
  text.replace(/\p{Surrogate}/gu, "\uFFFD").replace(invisible, "");

const hiddenStyle =
  /display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0(?![.\d]*[1-9])|font-size\s*:\s*0(?![.\d]*[1-9])|mso-hide\s*:\s*all/i;
const hiddenAttribute = /\s(?:hidden(?=[\s=/>])|aria-hidden\s*=\s*["']?true)/i;
const openTag = /<([a-z][a-z0-9-]{0,20})\b[^<>]{0,2000}>/gi;
const comment = /<!--[\s\S]*?(?:-->|$)/g;
/** `[//]: # (text)`: Markdown's way of a comment. */
const markdownComment = /^ {0,3}\[[^\]\n]{0,100}\]:[ \t]*(?:#|<>)[^\n]*$/gm;
const imageText = /!\[[^\]\n]{0,2000}\](?=\()/g;

/**
 * Prose that is shown as Markdown or HTML, without what its page hides: comments, hidden elements, the alternative text
 * of images. Not for code, where all of that is to be read.
 */
export function withoutHiddenMarkup(text: string): string {
  const bare = visible(text).replace(comment, "").replace(markdownComment, "").replace(imageText, "![image]");
  let kept = "";
  let from = 0;
  for (const match of bare.matchAll(openTag)) {
    if (match.index < from || !(hiddenStyle.test(match[0]) || hiddenAttribute.test(match[0]))) continue;
    kept += bare.slice(from, match.index);
    from = endOf(bare, match[1] ?? "", match.index + match[0].length);
  }
  return kept + bare.slice(from);
}

/** Where the element ends that began before `from`; a void or unclosed one ends the text or with its own tag. */
function endOf(text: string, name: string, from: number): number {
  if (/^(?:img|br|hr|input|meta|link)$/i.test(name)) return from;
  const tags = new RegExp(`<(/?)${name}\\b[^<>]*>`, "gi");
  tags.lastIndex = from;
  let depth = 1;
  for (let tag = tags.exec(text); tag !== null; tag = tags.exec(text)) {
    depth += tag[1] === "/" ? -1 : 1;
    if (depth === 0) return tag.index + tag[0].length;
  }
  return text.length;
}

/** Tokens that a text takes, on the high side: vendors' tokenizers differ, and none is asked. */
export function tokensOf(text: string): number {
  const others = text.replace(/[\u0000-\u007F]/g, "").length;
  return Math.ceil((text.length - others) / 3.5 + others);
}

/** At most about `tokens` of it, cut between code points, with a word on how much there was. */
export function cutToTokens(text: string, tokens: number): string {
  const all = tokensOf(text);
  if (all <= tokens) return text;
  // A part has the tokens of its share at most where the text is even, so it is narrowed until it fits.
  let length = Math.floor((text.length * tokens) / all);
  while (length > 0 && tokensOf(text.slice(0, length)) > tokens) length = Math.floor(length * 0.9);
  const head = text.slice(0, length).replace(/[\uD800-\uDBFF]$/, "");
  return `${head}\n[cut: about ${tokens} of ${all} tokens are shown]`;
}

/**
 * The most tokens that each of several texts may keep so that together they take `budget`: short ones stay whole, the
 * longest are cut to the same size.
 */
export function fairCut(sizes: readonly number[], budget: number): number {
  let left = budget;
  const ascending = [...sizes].sort((a, b) => a - b);
  for (const [index, size] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - index));
    if (size > share) return Math.max(0, share);
    left -= size;
  }
  return Number.MAX_SAFE_INTEGER;
}
