/** Lines of a configuration file as they may be shown: a secret that somebody wrote into one is hidden. */
import { redactSecrets } from "../observability/redact.ts";
import type { Fault } from "./faults.ts";

export interface SourceView {
  /** The line that `start` is in; the caret covers up to `end` or the end of the line. Offsets into the text. */
  show(start: number, end: number): NonNullable<Fault["source"]>;
  /** Hides this part of the text from now on. */
  hide(start: number, end: number): void;
}

/** Written so widely that a slip in the key (`tokn:`) is still covered where it matters: the value of a secret key. */
const secretValue =
  /((?:secrets?|tok[a-z]*n?|api_?-?keys?|private_?-?key|credentials?|password|smtp_?-?url)["']?\s*:\s*)([^\s#][^,}\]#]*)/gi;
const longToken = /[A-Za-z0-9+/=_-]{24,}/g;

export function createSourceView(text: string): SourceView {
  const hidden: [number, number][] = [];
  return {
    hide: (start, end) => void hidden.push([start, end]),
    show(start, end) {
      const at = Math.min(start, text.length);
      const from = text.lastIndexOf("\n", at - 1) + 1;
      const next = text.indexOf("\n", at);
      const to = next < 0 ? text.length : next;
      let line = text.slice(from, to);
      for (const [first, last] of hidden) {
        const left = Math.max(first, from) - from;
        const right = Math.min(last, to) - from;
        if (left < right) line = line.slice(0, left) + stars(line.slice(left, right)) + line.slice(right);
      }
      line = line
        .replace(secretValue, (_, key: string, value: string) => key + keepVariables(value))
        .replace(longToken, (run) => (/\d/.test(run) && /[A-Za-z]/.test(run) ? stars(run) : run));
      // A redaction may change the length of what it hides; cut at the caret, the caret stays where it belongs.
      const head = redactSecrets(line.slice(0, at - from));
      const tail = redactSecrets(line.slice(at - from).replace(/\r$/, ""));
      return { text: head + tail, column: head.length, length: Math.max(1, Math.min(end, to) - at) };
    },
  };
}

/** Same length, so that the caret stays under its place; quotes are kept to read well. */
const stars = (part: string): string => part.replace(/[^\s"'[\]{},]/g, "*");

function keepVariables(value: string): string {
  return value
    .split(/(\$\{[A-Za-z_][A-Za-z0-9_]*(?::-)?\}?|\$\{[A-Za-z_][A-Za-z0-9_]*:-)/)
    .map((part, index) => (index % 2 === 1 ? part : stars(part)))
    .join("");
}
