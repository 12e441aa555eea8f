import { visible } from "./untrusted-text.ts";

const schemes = /\b(?:[a-z][a-z0-9+.-]{0,30}:\/\/|(?:javascript|mailto|data|tel):)\S*/gi;
const addresses = /[\p{L}\p{N}._%+-]{1,64}@[\p{L}\p{N}.-]{1,255}/gu;
/** Mail and chat clients make links of bare domains as well. */
const domains =
  /(?<![\p{L}\p{N}.-])(?:[\p{L}\p{N}-]{1,63}\.){1,10}\p{L}{2,24}(?![\p{L}\p{N}])(?:[:/?#]\S*)?/gu;
/** Full stops of other scripts, which browsers take for dots. */
const dots = /[\u3002\uFF0E\uFF61\u2024]/g;

/** What a model or a stranger wrote, for a text of ours: it hides nothing, links nowhere, loads nothing and calls nobody. */
export const plainText = (text: string): string =>
  visible(text)
    .replace(dots, ".")
    .replace(schemes, "[link]")
    .replace(addresses, "[address]")
    .replace(domains, "[link]")
    .replace(/!(?=\[)/g, "")
    .replace(/\]\(/g, "] (")
    .replace(/[<>`]/g, "")
    .replace(/@(?=\w)/g, "");
