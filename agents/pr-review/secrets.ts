/**
 * Credentials in a diff. They are replaced when facts are gathered, so that neither the journal nor the model nor a
 * comment ever holds one; rules.ts recognises the placeholder.
 */
const patterns: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ["aws-key", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g],
  ["stripe-key", /\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{8,}/g],
  ["webhook-secret", /\bwhsec_[A-Za-z0-9+/=_-]{8,}/g],
  ["github-token", /\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,})/g],
  ["slack-token", /\bxox[abeprs]-[A-Za-z0-9-]{8,}/g],
  ["api-key", /\bsk-[A-Za-z0-9_-]{20,}/g],
  ["google-key", /\bAIza[0-9A-Za-z_-]{35}\b/g],
  ["linear-key", /\blin_(?:api|oauth)_[A-Za-z0-9]{16,}/g],
  ["hubspot-token", /\bpat-[a-z]{2}\d-[0-9a-f-]{16,}/g],
  ["token", /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}/g],
  ["private-key", /-----BEGIN [A-Z ]*PRIVATE KEY-----.*/g],
  ["database-password", /(?<=\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/@"'${}]{1,80}:)[^\s:/@"'${}<>*]{4,}(?=@)/g],
];
/** `password = "…"`: a literal of some length that is neither a placeholder nor read from elsewhere. */
const assigned =
  /((?:api[_-]?key|secret|token|passw(?:or)?d|private[_-]?key|credential)[a-z_-]*["']?\s*[:=]\s*)(["'`])([A-Za-z0-9+/=_!@#$%^&*.-]{12,})\2/gi;
const placeholder =
  /example|placeholder|changeme|your|dummy|xxx|\*\*\*|test|process\.env|\$\{|<|^[a-z]+(?:[-_.][a-z]+)*$/i;

/** What stands in a redacted text where a credential stood. */
export const secretMark = /\[secret:([a-z-]+)\]/;

export function redactSecrets(text: string): string {
  let out = text;
  for (const [kind, pattern] of patterns) out = out.replace(pattern, `[secret:${kind}]`);
  return out.replace(assigned, (all, before: string, quote: string, value: string) =>
    placeholder.test(value) || !/\d/.test(value) ? all : `${before}${quote}[secret:literal]${quote}`,
  );
}
