/** HTML to the text that a person sees. What is hidden from people is hidden from the model. */
import { convert } from "html-to-text";

const white =
  /^(?:#fff(?:fff)?|white|rgb\(255,255,255\)|rgba\(255,255,255,[\d.]+\)|transparent|rgba\(\d+,\d+,\d+,0(?:\.0+)?\))$/;

/** True for declarations that keep an element from being seen. */
function hides(style: string): boolean {
  const declarations = new Map(
    style
      .toLowerCase()
      .replace(/!important/g, "")
      .split(";")
      .map((part) => part.replace(/\s+/g, "").split(":", 2) as [string, string | undefined])
      .map(([name, value]) => [name, value ?? ""] as const),
  );
  const is = (name: string, pattern: RegExp): boolean => pattern.test(declarations.get(name) ?? "");
  const background = declarations.get("background-color") ?? declarations.get("background");
  const color = declarations.get("color");
  return (
    is("display", /^none$/) ||
    is("visibility", /^(?:hidden|collapse)$/) ||
    (is("opacity", /^0?(?:\.0\d*)?$|^0\.0/) && declarations.has("opacity")) ||
    (is("font-size", /^(?:0|0?\.\d+|1)(?:px|pt|em|rem|%)?$/) &&
      is("font-size", /^0(?:px|pt|em|rem|%)?$|px$|pt$/)) ||
    is("max-height", /^0(?:px)?$/) ||
    (is("height", /^0(?:px)?$/) && is("overflow", /^hidden$/)) ||
    is("text-indent", /^-\d{3,}/) ||
    (is("position", /^(?:absolute|fixed)$/) && (is("left", /^-\d{3,}/) || is("top", /^-\d{3,}/))) ||
    is("mso-hide", /^all$/) ||
    (color !== undefined && (background === undefined ? white.test(color) : color === background))
  );
}

/** Classes that a style sheet in the mail hides. */
function hiddenClasses(html: string): string[] {
  const sheets = [...html.matchAll(/<style[^>]*>([\s\S]*?)<\/style/gi)].map((match) => match[1] ?? "");
  return sheets.flatMap((sheet) =>
    [...sheet.matchAll(/\.([A-Za-z_][\w-]*)\s*\{([^{}]*)\}/g)]
      .filter((rule) => hides(rule[2] ?? ""))
      .map((rule) => rule[1] ?? ""),
  );
}

export function htmlToText(html: string): string {
  const marked = html.replace(
    /\sstyle\s*=\s*(?:"([^"]*)"|'([^']*)')/gi,
    (all, double: string | undefined, single: string | undefined) =>
      hides((double ?? single ?? "").replace(/&quot;/g, '"')) ? `${all} data-hidden="1"` : all,
  );
  const skip = [
    "img",
    "[data-hidden]",
    "[hidden]",
    "[aria-hidden=true]",
    ...hiddenClasses(html).map((name) => `.${name}`),
  ];
  return convert(marked, {
    wordwrap: false,
    limits: { maxInputLength: 2_000_000, maxDepth: 60 },
    selectors: [
      { selector: "a", options: { ignoreHref: true } },
      ...skip.map((selector) => ({ selector, format: "skip" })),
    ],
  });
}
