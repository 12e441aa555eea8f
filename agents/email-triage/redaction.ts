/**
 * What a classifier does not need is taken out before a model, a ticket or the journal sees it: cards, bank accounts,
 * identity numbers, passwords and keys. Names and addresses stay, since a ticket is about them. Pure.
 */
const credentials =
  /\b(?:(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=_-]{8,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|xox[abeprs]-[A-Za-z0-9-]{8,}|AKIA[0-9A-Z]{16}|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)/g;
const password =
  /\b(pass(?:word|code|phrase)|kennwort|passwort|pin|cvv|cvc|otp)(\s*(?:is|ist|[:=])\s*)(\S{3,})/gi;
const iban = /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g;
const socialSecurity = /\b\d{3}-\d{2}-\d{4}\b/g;
const labelledId =
  /\b((?:passport|ssn|social security|tax id|national id|ausweis|steuer-?id)[^\d\n]{0,20})([A-Z0-9][A-Z0-9 -]{5,18}\d)/gi;
const digits = /\b\d(?:[ -]?\d){12,18}\b/g;

/** Luhn's check: order and tracking numbers of the same length mostly fail it. */
function isCard(text: string): boolean {
  const numbers = [...text.replace(/\D/g, "")].reverse().map(Number);
  if (numbers.every((digit) => digit === numbers[0])) return false;
  const sum = numbers.reduce((total, digit, index) => {
    const value = index % 2 === 1 ? digit * 2 : digit;
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

export const redactPersonal = (text: string): string =>
  text
    .replace(credentials, "[redacted key]")
    .replace(password, "$1$2[redacted]")
    .replace(iban, "[redacted account]")
    .replace(socialSecurity, "[redacted id]")
    .replace(labelledId, "$1[redacted id]")
    .replace(digits, (match) => (isCard(match) ? "[redacted card]" : match));
