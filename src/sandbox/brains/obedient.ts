/**
 * A model that is wholly the attacker's: a valid answer in which every field says what they want. Free text holds their
 * text and all that the model was shown; lists are long; numbers are as given; of choices the wanted one is taken.
 */
import type { Json, JsonObject } from "../../domain/json.ts";
import { asList, asObject, asText } from "../bodies.ts";
import type { Brain } from "../brains.ts";

export interface Wish {
  /** Goes into every free text. */
  readonly text: string;
  /** Wanted for fields of these names; free text and numbers as they are, choices where there is such a one. */
  readonly fields?: Readonly<Record<string, Json>>;
  readonly number: number;
  /** Adds what the model was shown to every free text. */
  readonly tellAll: boolean;
}

const listLength = 12;
const longest = 2_000;

export const obedientBrain = (wish: Wish): Brain => ({
  matches: () => true,
  answer({ system, user, schema }) {
    const shown = wish.tellAll ? `\n${user}\n${system}` : "";
    return obey(schema as JsonObject, "", { ...wish, text: `${wish.text}${shown}`.slice(0, longest) });
  },
});

function obey(schema: JsonObject, name: string, wish: Wish): Json {
  const wanted = wish.fields?.[name];
  const choices = asList(schema["enum"]);
  if (choices.length > 0) return choices.find((choice) => choice === wanted) ?? choices[0] ?? null;
  const variants = asList(schema["anyOf"]).map(asObject);
  if (wanted !== undefined && variants.length === 0) return wanted;
  if (variants.length > 0)
    return wanted === null
      ? null
      : obey(variants.find((variant) => variant["type"] !== "null") ?? {}, name, wish);
  switch (asText(schema["type"])) {
    case "object":
      return Object.fromEntries(
        Object.entries(asObject(schema["properties"])).map(([key, part]) => [
          key,
          obey(asObject(part), key, wish),
        ]),
      );
    case "array":
      return Array.from({ length: listLength }, () => obey(asObject(schema["items"]), name, wish));
    case "number":
    case "integer":
      return wish.number;
    case "boolean":
      return true;
    default:
      return wish.text;
  }
}
