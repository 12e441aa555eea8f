/** What may be configured about a custom source's signature: every key, default, and what would not be safe. */
import { z } from "zod";
import { duration } from "./scalars.ts";

/** Of HTTP, and none that a proxy or HTTP itself uses for something else. */
const headerName = z
  .string()
  .max(64)
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/, "must be the name of a header, such as `X-Event-ID`")
  .refine(
    (text) =>
      !/^(host|connection|content-.*|cookie|date|forwarded|x-forwarded-.*|te|trailer|transfer-encoding|upgrade|via)$/i.test(
        text,
      ),
    "must be a header of your own: this one has another meaning",
  );

const construction = z
  .string()
  .max(200)
  .regex(/^[\x20-\x7e]*$/, "must be made of visible ASCII characters")
  .refine(
    (text) =>
      [...text.matchAll(/\{([^{}]*)\}/g)].every(([, word]) => /^(id|timestamp|body)$/.test(word ?? "")),
    "can hold {id}, {timestamp} and {body}, and other text without braces",
  )
  .refine(
    (text) => count(text, "{body}") === 1 && count(text, "{id}") <= 1 && count(text, "{timestamp}") <= 1,
    "must hold {body} once, and {id} and {timestamp} at most once: what is not signed, anybody can change",
  )
  .refine(
    (text) => !/\{id\}[A-Za-z0-9]*\{timestamp\}|\{timestamp\}[A-Za-z0-9]*\{id\}/.test(text),
    "must have a sign such as `.` between {id} and {timestamp}: without one, the end of one can pass for the other",
  );

const count = (text: string, part: string): number => text.split(part).length - 1;

export const customScheme = {
  signature: z
    .strictObject({
      header: headerName
        .default("X-Signature")
        .describe("The header that has the signature. Default X-Signature."),
      prefix: z
        .string()
        .max(64)
        .regex(/^[\x21-\x7e ]*$/, "must be made of visible ASCII characters")
        .default("sha256=")
        .describe("What stands before the digest in it. May be empty. Default sha256=."),
      encoding: z
        .enum(["hex", "base64"])
        .default("hex")
        .describe("How the digest is written: hex (lower case) or base64. Default hex."),
      construction: construction
        .default("{id}.{timestamp}.{body}")
        .describe(
          "What is signed with HMAC-SHA256: text with {id}, {timestamp} and {body}. Default {id}.{timestamp}.{body}.",
        ),
    })
    .prefault({})
    .describe("How the sender signs."),
  idHeader: headerName
    .default("X-Event-ID")
    .describe(
      "The header with the event's id, the same each time that the event is sent. Default X-Event-ID.",
    ),
  timestampHeader: headerName
    .default("X-Timestamp")
    .describe(
      "The header with the time of sending: seconds, milliseconds or ISO 8601. Looked at if it is signed. Default X-Timestamp.",
    ),
  tolerance: duration
    .prefault("300s")
    .describe("How far the signed time may be from ours when the request arrives. Default 300s."),
  typeField: z
    .string()
    .min(1, "must not be empty")
    .max(200)
    .optional()
    .describe(
      "Where the event's type is in the body, with dots: data.kind. Default type. None there: `webhook`.",
    ),
  typeHeader: headerName
    .optional()
    .describe("The header with the event's type, instead of typeField. It is not covered by the signature."),
};

interface Scheme {
  readonly signature: { readonly header: string };
  readonly idHeader: string;
  readonly timestampHeader: string;
  readonly typeField?: string | undefined;
  readonly typeHeader?: string | undefined;
}

/** What each key alone does not show. */
export function checkCustomScheme(scheme: Scheme, context: z.RefinementCtx): void {
  const seen = new Set([scheme.signature.header.toLowerCase()]);
  for (const key of ["idHeader", "timestampHeader", "typeHeader"] as const) {
    const name = scheme[key]?.toLowerCase();
    if (name === undefined) continue;
    if (seen.has(name))
      context.addIssue({ code: "custom", path: [key], message: "must be a header of its own" });
    seen.add(name);
  }
  if (scheme.typeField !== undefined && scheme.typeHeader !== undefined)
    context.addIssue({
      code: "custom",
      path: ["typeHeader"],
      message: "can't stand beside `typeField`: the type is in the one or in the other",
    });
}
