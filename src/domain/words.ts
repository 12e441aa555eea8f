/** Words as they stand in texts of several languages. */

const escaped = (word: string): string => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
/** Written without spaces between words. */
const unspaced = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
/** Of plurals and verbs, so that "invoice" also finds "invoices", and "crash" finds "crashed". */
const endings = "(?:e?s|e?n|e?d|ing)?";

const patterns = new Map<string, RegExp>();
function patternOf(word: string): RegExp {
  const known = patterns.get(word);
  if (known !== undefined) return known;
  const made = unspaced.test(word)
    ? new RegExp(escaped(word), "iu")
    : new RegExp(`(?<![\\p{L}\\d])${escaped(word)}${endings}(?![\\p{L}\\d])`, "iu");
  // They come from a prompt file: a few dozen, or a few dozen more after a reload.
  if (patterns.size > 2_000) patterns.clear();
  patterns.set(word, made);
  return made;
}

/** Those of `words` that stand in the text, in one of their forms. */
export function mentioned(text: string, words: readonly string[]): string[] {
  const plain = text.replaceAll("’", "'");
  return words.filter((word) => patternOf(word).test(plain));
}
