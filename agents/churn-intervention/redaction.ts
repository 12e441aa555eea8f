/** Free text of customers, before a model, a note or the journal sees it: no cards, accounts, keys or hidden characters. */
import { visible } from "../../src/agent-kit.ts";

const credentials =
  /\b(?:(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=_-]{8,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16})/g;
const password = /\b(pass(?:word|code|phrase)|pin|cvv|cvc)(\s*(?:is|[:=])\s*)(\S{3,})/gi;
const iban = /\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b/g;
const longNumber = /\b\d(?:[ -]?\d){8,18}\b/g;
const address = /[\w.%+-]+@[\w.-]+\.[a-z]{2,}/gi;

export const redact = (text: string): string =>
  visible(text)
    .replace(credentials, "[redacted key]")
    .replace(password, "$1$2[redacted]")
    .replace(iban, "[redacted account]")
    .replace(longNumber, "[redacted number]")
    .replace(address, "[address]");
