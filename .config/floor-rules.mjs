// The rules of the floor plan that an import graph cannot see. Prints `file:line rule: what to do` and exits 1 on a fault.
import { readdirSync, readFileSync, existsSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";

const maxLines = 400;
const attics = /^(utils?|helpers?|commons?|types?)$/;
/** @typedef {{ line: number, rule: string, message: string }} Fault */

/** @param {string} file path below the root, with forward slashes */
const shipped = (file) => file.startsWith("src/") || file.startsWith("agents/");
/** @param {string} file */
const inBrowser = (file) => file.startsWith("src/dashboard/");

const rules = {
  environment: {
    /** @param {string} file */
    applies: (file) => shipped(file) && !file.startsWith("src/config/"),
    message: "process.env is read in src/config only; take the value as an option",
  },
  console: {
    /** @param {string} file */
    applies: (file) => shipped(file) && !file.startsWith("src/cli/"),
    message: "console belongs to src/cli; log through src/observability/log.ts",
  },
  clock: {
    /** @param {string} file */
    applies: (file) => shipped(file) && file !== "src/resilience/clock.ts" && !inBrowser(file),
    message: "the time comes from the Clock of src/resilience/clock.ts, so that tests own it",
  },
};

/**
 * The rule that a node breaks, if any.
 * @param {ts.Node} node
 * @returns {keyof typeof rules | null}
 */
function brokenBy(node) {
  if (ts.isPropertyAccessExpression(node) || ts.isElementAccessExpression(node)) {
    const name = ts.isPropertyAccessExpression(node)
      ? node.name.text
      : ts.isStringLiteralLike(node.argumentExpression)
        ? node.argumentExpression.text
        : "";
    const owner = node.expression.getText().replace(/^globalThis[.]/, "");
    if (owner === "process" && name === "env") return "environment";
    if (owner === "console") return "console";
    if (owner === "Date" && name === "now") return "clock";
  }
  if (ts.isVariableDeclaration(node) && node.initializer && ts.isObjectBindingPattern(node.name)) {
    const from = node.initializer.getText();
    const names = node.name.elements.map((element) => (element.propertyName ?? element.name).getText());
    if (from === "process" && names.includes("env")) return "environment";
    if (from === "Date" && names.includes("now")) return "clock";
    if (from === "console") return "console";
  }
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const from = node.moduleSpecifier.text.replace(/^node:/, "");
    const named = node.importClause?.namedBindings;
    const names =
      named && ts.isNamedImports(named)
        ? named.elements.map((element) => (element.propertyName ?? element.name).text)
        : [];
    if (from === "process" && names.includes("env")) return "environment";
    if (from === "console") return "console";
  }
  const makesDate = ts.isNewExpression(node) || ts.isCallExpression(node);
  if (makesDate && node.expression.getText() === "Date" && (node.arguments?.length ?? 0) === 0)
    return "clock";
  return null;
}

/**
 * Every fault of one file.
 * @param {string} file path below the root, with forward slashes
 * @param {string} text
 * @returns {Fault[]}
 */
export function faultsOf(file, text) {
  /** @type {Fault[]} */
  const faults = [];
  for (const part of file.split("/").map((name) => basename(name).replace(/[.].*$/, ""))) {
    if (attics.test(part)) {
      const message = `"${part}" names no subject; a helper lives with its only caller, else under its own name`;
      faults.push({ line: 1, rule: "name", message });
    }
  }
  const lines = text.split("\n").length - (text.endsWith("\n") ? 1 : 0);
  if (shipped(file) && lines > maxLines) {
    const message = `${lines} lines, at most ${maxLines}: this file is two things, give each its own`;
    faults.push({ line: lines, rule: "length", message });
  }
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  /** @param {ts.Node} node */
  const visit = (node) => {
    const rule = brokenBy(node);
    if (rule && rules[rule].applies(file)) {
      const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      faults.push({ line, rule, message: rules[rule].message });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return faults;
}

function main() {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const files = ["src", "agents", "test", "bench"]
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /[.]tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll("\\", "/"));
  let count = 0;
  for (const file of files.sort()) {
    for (const { line, rule, message } of faultsOf(file, readFileSync(join(root, file), "utf8"))) {
      console.log(`${file}:${line} ${rule}: ${message}`);
      count += 1;
    }
  }
  if (count === 0) console.log(`floor rules hold in ${files.length} files`);
  process.exitCode = count === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
