/**
 * Mails that pretend to come from us or from somebody whom we would obey, and want something for it: a password, money, a
 * click. What mail gateways look at (names that look alike, names of ours at foreign domains, mixed scripts:
 * https://www.unicode.org/reports/tr39/), together with what is asked. Pure.
 */
import type { Facts } from "./context.ts";
import type { Policy } from "./policy.ts";

/** Letters that look like Latin ones, of the scripts in which addresses are faked. */
const twins: Readonly<Record<string, string>> = {
  а: "a",
  е: "e",
  о: "o",
  р: "p",
  с: "c",
  х: "x",
  у: "y",
  і: "i",
  ѕ: "s",
  ԁ: "d",
  һ: "h",
  ј: "j",
  ӏ: "l",
  м: "m",
  т: "t",
  к: "k",
  в: "b",
  н: "h",
  α: "a",
  ο: "o",
  ρ: "p",
  ν: "v",
  ι: "i",
  κ: "k",
  τ: "t",
  ϲ: "c",
  "0": "o",
  "1": "l",
  "3": "e",
  "5": "s",
  ı: "i",
};

/** Two names with the same skeleton look the same at a glance. */
function skeleton(name: string): string {
  const plain = name.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "");
  return Array.from(plain, (letter) => twins[letter] ?? letter)
    .join("")
    .replaceAll("rn", "m")
    .replaceAll("vv", "w")
    .replaceAll("-", "");
}

/** A word of Latin and Cyrillic or Greek letters: no language has one. */
const isMixed = (text: string): boolean =>
  text
    .split(/[^\p{L}\p{M}\d]+/u)
    .some((word) => /\p{Script=Latin}/u.test(word) && /[\p{Script=Cyrillic}\p{Script=Greek}]/u.test(word));

/** One letter put in, left out, changed, or two next to each other swapped. */
function isOneEditAway(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a];
  if (long.length - short.length > 1 || short === long) return false;
  let at = 0;
  while (at < short.length && short[at] === long[at]) at += 1;
  if (short.length !== long.length) return short.slice(at) === long.slice(at + 1);
  const swapped = short[at] === long[at + 1] && short[at + 1] === long[at];
  return (
    short.slice(at + 1) === long.slice(at + 1) || (swapped && short.slice(at + 2) === long.slice(at + 2))
  );
}

const domainOf = (address: string): string => (address.split("@")[1] ?? "").toLowerCase();

/** `xn--cme-5cd` is "acme" with one foreign letter: what stands before the last hyphen are its plain ones. */
function hidesForeignLetters(label: string, name: string): boolean {
  if (!label.startsWith("xn--")) return false;
  const plain = label.slice(4, label.lastIndexOf("-"));
  let at = 0;
  for (const letter of name) if (letter === plain[at]) at += 1;
  return at === plain.length && plain.length >= Math.max(2, name.length - 2);
}

/** The name that was registered: the label before the top level, or before one like co.uk. */
function registeredName(domain: string): string {
  const labels = domain.split(".");
  const second = /^(?:co|com|org|net|ac|gov|edu)$/.test(labels.at(-2) ?? "") && labels.length > 2;
  return labels.at(second ? -3 : -2) ?? "";
}

/** What is put behind a name to make it look like a department. */
const department =
  /^(?:support|login|signin|secure|security|help(?:desk)?|billing|payments?|accounts?|mail|team|office|services?|verify|hr|it|portal)$/;

function looksLike(domain: string, own: string): boolean {
  const name = registeredName(own);
  if (name.length < 3 || domain === own || domain.endsWith(`.${own}`)) return false;
  return domain.split(".").some((label) => {
    const parts = label.split("-");
    if (label === name || (parts.length > 1 && parts.includes(name))) return true;
    if (skeleton(label) === skeleton(name) || hidesForeignLetters(label, name)) return true;
    if (label.startsWith(name) && department.test(label.slice(name.length))) return true;
    return name.length >= 6 && isOneEditAway(label, name);
  });
}

/** Why the sender is not who they seem to be; null when nothing says so. */
function impersonates({ message, contact }: Facts, { ownAddresses }: Policy): string | null {
  const domain = domainOf(message.from.address);
  const own = [...new Set([...ownAddresses, ...(message.to ?? [])].map(domainOf))].filter(
    (each) => each !== "",
  );
  if (isMixed(domain) || isMixed(message.from.name)) return "letters of two scripts in the sender's name";
  if (own.some((each) => domain === each || domain.endsWith(`.${each}`))) return null;
  const alike = own.find((each) => looksLike(domain, each));
  if (alike !== undefined) return `a domain that looks like ${alike}`;
  const words = message.from.name.toLowerCase().split(/[^\p{L}\d]+/u);
  const claimed = own.map(registeredName).find((name) => name.length >= 3 && words.includes(name));
  // A partner may carry our name; then people here know them.
  return claimed !== undefined && contact === null ? `our name at a foreign domain` : null;
}

/** Said to the reader, of what is theirs: "I forgot my password" is a customer's sentence, "verify your password" is not. */
const credentials =
  /\b(?:verify|confirm|validate|update|enter|provide|use|keep|re-?activate|sign in (?:here|with)|log ?in (?:here|with|through))\b.{0,60}\b(?:password|passcode|credentials|account|mailbox|identity|log-?in)\b|\byour (?:usual |current )?(?:password|mailbox|account)\b.{0,30}\b(?:expires?|expired|suspended|closed|locked|disabled|limited)\b/i;
const threat =
  /\b(?:within|in the next) \w+ (?:hours?|days?)\b|\b(?:will be|has been|is being) (?:closed|suspended|locked|deleted|deactivated|disabled|limited|blocked|terminated)\b|\bexpires? (?:today|soon|tomorrow)\b|\bunusual (?:activity|sign-?in)\b|\baction required\b/i;
const money =
  /\b(?:bank|account|payment) details\b|\bnew (?:bank )?account\b|\bour bank has changed\b|\bwire transfer\b|\bgift cards?\b|\biban\b|\bbitcoin\b/i;
const secrecy = /\bconfidential\b|\bbetween us\b|\bdo not (?:tell|discuss|share)\b|\bdiscreet/i;

/**
 * Why a mail is likely to be a fraud; null otherwise. Somebody who is not who they seem to be and wants a password or money,
 * or anybody who wants the reader's password under a threat, or money in secret.
 */
export function fraudIn(text: string, facts: Facts, policy: Policy): string | null {
  const asks = [...(credentials.test(text) ? ["a password"] : []), ...(money.test(text) ? ["money"] : [])];
  const pretence = impersonates(facts, policy);
  if (pretence !== null && (asks.length > 0 || threat.test(text)))
    return `${pretence}, and it wants ${asks.join(" and ") || "haste"}`;
  if (credentials.test(text) && threat.test(text)) return "it threatens, and wants a password";
  if (money.test(text) && secrecy.test(text) && facts.contact === null) return "it wants money in secret";
  return null;
}
