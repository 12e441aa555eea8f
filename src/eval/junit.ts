/** Results as JUnit XML, which CI systems show: https://github.com/testmoapp/junitxml. */
import type { Answered } from "./evaluate.ts";

/** XML has no way to write most control characters. */
const escaped = (text: string): string =>
  [...text]
    .filter((char) => char >= " " || char === "\n" || char === "\t")
    .join("")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");

/** One suite for each agent and each of rules and model. */
export function junit(answers: readonly Answered[]): string {
  const groups = new Map<string, Answered[]>();
  for (const each of answers) {
    const name = `${each.agent} (${each.asked})`;
    groups.set(name, [...(groups.get(name) ?? []), each]);
  }
  const failures = (all: readonly Answered[]) => all.filter(({ holds }) => !holds).length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="signalbox eval" tests="${answers.length}" failures="${failures(answers)}">`,
    ...[...groups].flatMap(([name, all]) => [
      `  <testsuite name="${escaped(name)}" tests="${all.length}" failures="${failures(all)}" time="${seconds(all)}">`,
      ...all.map(testCase),
      "  </testsuite>",
    ]),
    "</testsuites>",
    "",
  ].join("\n");
}

const seconds = (answers: readonly Answered[]): string =>
  (answers.reduce((sum, { ms }) => sum + ms, 0) / 1_000).toFixed(3);

function testCase(answer: Answered): string {
  const head = `    <testcase classname="${escaped(answer.agent)}.${answer.asked}" name="${escaped(answer.id)}" time="${seconds([answer])}"`;
  if (answer.holds) return `${head}/>`;
  const [first = ""] = answer.faults;
  const all = answer.faults.map(escaped).join("\n");
  return `${head}>\n      <failure message="${escaped(first)}">${all}</failure>\n    </testcase>`;
}
