/** Patterns of what must never be shown: credentials of the vendors we speak to, card numbers, and addresses. */
const secrets: readonly RegExp[] = [
  /\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}/g,
  /\bwhsec_[A-Za-z0-9+/=_-]{8,}/g,
  /\bsk-[A-Za-z0-9_-]{16,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{16,}/g,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/g,
  /\bxox[abeprs]-[A-Za-z0-9-]{8,}/g,
  /\blin_(?:api|oauth)_[A-Za-z0-9]{16,}/g,
  /\bpat-[a-z]{2}\d-[0-9a-f-]{16,}/g,
  /\bya29\.[A-Za-z0-9_-]{8,}/g,
  /\bhttps:\/\/hooks\.slack(?:-gov)?\.com\/[^\s"'<>]+/g,
  /\bAKIA[0-9A-Z]{16}\b/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /\b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi,
];
const userinfo = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;
const email = /\b([A-Za-z0-9])[A-Za-z0-9._%+-]*@([A-Za-z0-9.-]+\.[A-Za-z]{2,})\b/g;
const digits = /\b\d(?:[ -]?\d){12,18}\b/g;

/** Replaces credentials and card numbers; for text that goes to logs, errors, alerts and pages. */
export function redactSecrets(text: string): string {
  let out = text.replace(userinfo, "$1[redacted]@");
  for (const pattern of secrets) out = out.replace(pattern, "[redacted]");
  return out.replace(digits, (match) => (isCardNumber(match) ? "[redacted card]" : match));
}

/** As redactSecrets, and shortens mail addresses to `j…@example.com`. */
export const redactText = (text: string): string => redactSecrets(text).replace(email, "$1…@$2");

function isCardNumber(text: string): boolean {
  const numbers = text.replace(/\D/g, "");
  if (numbers.length < 13 || /^0+$/.test(numbers)) return false;
  let sum = 0;
  for (let index = 0; index < numbers.length; index += 1) {
    const digit = Number(numbers[numbers.length - 1 - index]);
    const doubled = index % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}
