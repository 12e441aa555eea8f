/** The language of a mail, and what in it is said to software instead of to people. Pure. */

/** By the words that no text of the language does without. A language that is written in a script of its own comes first. */
const languages: readonly (readonly [code: string, pattern: RegExp])[] = [
  ["de", /\b(?:und|nicht|bitte|danke|ich|wir|der|die|das|ist|ein|eine|mit|auf|wie|seit)\b/giu],
  ["fr", /\b(?:nous|vous|merci|bonjour|est|pas|une|les|je|des|pour|votre|notre|que)\b/giu],
  ["es", /\b(?:gracias|hola|por favor|usted|para|una|los|pero|el|con|hemos|nuestro|cómo|desde)\b/giu],
  ["pt", /\b(?:obrigad[oa]|olá|para|uma|os|não|minha|como|com|você|nosso|nas|essa|dia)\b/giu],
  ["it", /\b(?:grazie|buongiorno|per|una|gli|non|il|che|vorremmo|come|nostro|della|sono)\b/giu],
  ["nl", /\b(?:bedankt|hallo|het|een|niet|wij|ik|voor|onze|graag|kunnen|met|hoe)\b/giu],
  ["en", /\b(?:the|and|please|thanks|you|we|is|our|for|of|to|not|with|my|how)\b/giu],
];
const scripts: readonly (readonly [code: string, pattern: RegExp])[] = [
  ["ja", /[\p{Script=Hiragana}\p{Script=Katakana}]/u],
  ["ko", /\p{Script=Hangul}/u],
  ["zh", /\p{Script=Han}/u],
  ["ru", /\p{Script=Cyrillic}{3}/u],
];

/** ISO 639-1; en where nothing tells. */
export function languageOf(text: string): string {
  const script = scripts.find(([, pattern]) => pattern.test(text));
  if (script) return script[0];
  return languages
    .map(([code, pattern]) => ({ code, hits: text.match(pattern)?.length ?? 0 }))
    .reduce((best, each) => (each.hits > best.hits ? each : best), { code: "en", hits: 0 }).code;
}

const machineTag = /<\/?[a-z][^<>]{0,80}>/gi;
/** A mail's verdict on itself, as data. */
const machineData =
  /\{[^{}]{0,2000}"(?:category|urgency|priority|confidence|intervention)"\s*:[^{}]{0,2000}\}/gi;
/** Sentences that are addressed to software which reads the mail. */
const machineTalk = [
  /\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules|prompts?|previous|prior|above)\b/i,
  /\binstructions? (?:for|to) (?:the |you\b)/i,
  /\b(?:classify|categori[sz]e|label|mark|sort|flag|rate)\b.{0,40}\b(?:noise|spam|lead|urgent|urgency|priority|category)\b/i,
  /\b(?:ai|llm|assistant|chatbot|language model)\b\s*(?:note|notice|instruction|:|,)/i,
  /\b(?:system prompt|maintenance mode|your instructions)\b/i,
  /^\W*(?:category|urgency|priority|confidence|system)\s*[:=]/i,
];

/**
 * What a person would say to a person: a sentence that tells the reading software how to sort the mail is no evidence of
 * what the mail is about. The mail itself is sorted, and shown to people, as a whole.
 */
export function withoutMachineTalk(text: string): string {
  return text
    .replace(machineData, "\n")
    .replace(machineTag, "\n")
    .split(/(?<=[.!?])\s+|\n/)
    .filter((sentence) => !machineTalk.some((pattern) => pattern.test(sentence)))
    .join("\n");
}
