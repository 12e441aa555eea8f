/** Plain values of signalbox.yaml: what they may look like, and what they come out as. */
import { z } from "zod";
import { parseNetwork } from "../domain/network.ts";

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const longest = 3_650 * 86_400_000;

/** `60s` → 60000; null when it is no duration. */
export function parseDuration(text: string): number | null {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = units[unit ?? ""];
  if (amount === undefined || factor === undefined) return null;
  return Number(amount) * factor;
}

const noDuration = "must be a duration such as `500ms`, `60s`, `5m`, `24h` or `30d`";
export const duration = z
  .string(noDuration)
  .regex(/^\d{1,9}(ms|s|m|h|d)$/, noDuration)
  .transform((text, context) => {
    const ms = parseDuration(text) ?? 0;
    if (ms < 1 || ms > longest)
      context.addIssue({ code: "custom", message: "must be between `1ms` and `3650d`" });
    return ms;
  });

/** `100/10s` → 100 in 10,000 ms; several, where a vendor has several. */
const rate = z
  .string()
  .regex(/^[1-9]\d{0,6}\/\d{1,9}(ms|s|m|h|d)$/, "must be a rate such as `100/10s` or `80/1m`")
  .transform((text, context) => {
    const [limit, per = ""] = text.split("/");
    const perMs = parseDuration(per) ?? 0;
    if (perMs < 1_000 || perMs > 86_400_000)
      context.addIssue({ code: "custom", message: "must be over a time between `1s` and `24h`" });
    return { limit: Number(limit), perMs };
  });
export const rates = z.union([
  rate.transform((one) => [one]),
  z.array(rate).min(1, "needs at least one rate").max(4),
]);

const sizes: Readonly<Record<string, number>> = { KB: 1_000, MB: 1_000_000 };
const noSize = "must be a size such as `512KB` or `25MB`";
/** `25MB` → 25,000,000 bytes. */
export const size = z
  .string(noSize)
  .regex(/^\d{1,9}(KB|MB)$/, noSize)
  .transform((text, context) => {
    const bytes = Number(text.slice(0, -2)) * (sizes[text.slice(-2)] ?? 0);
    if (bytes < 1_000 || bytes > 100_000_000)
      context.addIssue({ code: "custom", message: "must be between `1KB` and `100MB`" });
    return bytes;
  });

export const network = z
  .string()
  .refine((text) => parseNetwork(text) !== null, "must be an address or a network, such as `10.0.0.0/8`");

export const count = (max: number) => z.int().min(1).max(max);
export const port = z.int().min(0).max(65_535);

/** A value that only ever comes from the environment; see secrets.ts. */
export const secret = () => z.string().meta({ "x-secret": true });

const isWebUrl = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "";
};
export const webUrl = z
  .string()
  .refine(
    (text) => text === "" || isWebUrl(text),
    "must be a URL with http:// or https://, without a user or password",
  )
  .transform((text) => text.replace(/\/+$/, ""));

/** Empty means unset, so that `"${GITHUB_API_URL:-}"` leaves the vendor's own address. */
export const optionalUrl = webUrl.transform((text) => (text === "" ? undefined : text)).optional();
/** Kept to the letter, for those who sign it. Empty means unset. */
export const exactUrl = z
  .string()
  .refine(
    (text) => text === "" || (isWebUrl(text) && !/[\s#]/.test(text)),
    "must be a URL with http:// or https://, without a user, password or fragment",
  )
  .transform((text) => (text === "" ? undefined : text))
  .optional();
export const optionalText = z
  .string()
  .transform((text) => (text === "" ? undefined : text))
  .optional();
export const baseUrl = optionalUrl.describe(
  "Where the vendor's API is. Leave it out, or empty, for the vendor's own; set it for a proxy or a local stand-in.",
);

export const name = z
  .string()
  .max(64)
  .regex(/^[a-z0-9][a-z0-9-]*$/, "must be made of a-z, 0-9 and `-`, and start with a letter or digit");

/** `2026-12-31` (00:00 UTC) or a time with its zone → milliseconds since the epoch. */
export const day = z
  .string()
  .regex(
    /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/,
    "must be a date such as `2026-12-31`, or a time such as `2026-12-31T09:00:00Z`",
  )
  .transform((text, context) => {
    const at = Date.parse(text);
    // Date.parse takes the 31st of February for the 3rd of March.
    const exists = Date.parse(`${text.slice(0, 10)}T00:00:00Z`);
    if (Number.isNaN(at) || new Date(exists).toISOString().slice(0, 10) !== text.slice(0, 10))
      context.addIssue({ code: "custom", message: "must be a date that exists" });
    return at;
  });
