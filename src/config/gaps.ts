/** Whether what a provider did not manage to deliver can be fetched, and what is lost where it can't. */
import { healingCredentials } from "./healing.ts";
import type { Config, SourceConfig } from "./schema.ts";

/** Of types whose record takes credentials of its own: what happens to what can't be delivered. */
const losses: Readonly<Record<string, string>> = {
  stripe: "Stripe tries for three days, and what it then gives up on is lost",
  github: "GitHub never repeats a delivery that failed, so it is lost",
};

/** Why the gaps of a source can't be healed, continuing "it can't be healed: "; null when they can. */
export function whyUnhealed(source: SourceConfig): string | null {
  // A mailbox is its own record, read with the credentials that it has anyway.
  if (source.type === "gmail" || source.type === "outlook") return null;
  const alternatives = healingCredentials[source.type];
  if (!alternatives) return `providers of type ${source.type} keep no record to read it from`;
  const given: Readonly<Record<string, unknown>> = ("healing" in source && source.healing) || {};
  const lacking = alternatives.map((fields) => fields.filter((field) => !given[field]));
  if (lacking.some((fields) => fields.length === 0)) return null;
  const begun = lacking.filter((fields, index) => fields.length < (alternatives[index]?.length ?? 0));
  const named = (begun.length > 0 ? begun : lacking).map((fields) => fields.map(inHealing).join(" and "));
  return `it lacks ${named.join(", or ")}`;
}

const inHealing = (field: string): string => `\`healing.${field}\``;

/** What is missed for want of a `healing:` that nobody began; one that was begun is warned of where it stands. */
export function gapNotes(config: Config, inactive: ReadonlySet<string>): { message: string; fix: string }[] {
  return Object.entries(config.sources).flatMap(([name, source]) => {
    const loss = losses[source.type];
    const why = whyUnhealed(source);
    if (why === null || loss === undefined || inactive.has(name)) return [];
    if ("healing" in source && source.healing !== undefined) return [];
    return [{ message: `source ${name} has no \`healing:\`: ${loss}`, fix: fixFor(source.type) }];
  });
}

function fixFor(type: string): string {
  const ways = (healingCredentials[type] ?? []).map((fields) => fields.map(inHealing).join(" and "));
  return `To have it fetched, set ${ways.join(", or ")} of the source.`;
}
