import { visible } from "./untrusted-text.ts";

/** What a model or a stranger wrote, for a text of ours: it hides nothing, links nowhere, loads nothing and calls nobody. */
export const plainText = (text: string): string =>
  visible(text)
    .replace(/\b[a-z][a-z0-9+.-]*:\/\/\S*/gi, "[link]")
    .replace(/\bwww\.\S+/gi, "[link]")
    .replace(/!(?=\[)/g, "")
    .replace(/\]\(/g, "] (")
    .replace(/[<>`]/g, "")
    // An address keeps its sign: it stands behind a name.
    .replace(/(^|[^\w.+-])@(?=\w)/g, "$1");
