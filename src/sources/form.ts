/** Reading an authentic body of type `application/x-www-form-urlencoded`, strictly. All faults are Rejection 400. */
import { Rejection } from "../domain/errors.ts";

const malformed = (message: string): Rejection => new Rejection(400, "malformed_form", message);

export const isForm = (contentType: string | undefined): boolean =>
  /^application\/x-www-form-urlencoded\b/i.test(contentType ?? "");

/** The fields by name. Each may occur once: of two that are called the same, nobody knows which one is meant. */
export function parseForm(body: Buffer): Map<string, string> {
  const text = body.toString("latin1");
  if (!/^[\x21-\x7e]*$/.test(text)) throw malformed("the form is not percent-encoded");
  const fields = new Map<string, string>();
  for (const part of text.split("&")) {
    const at = part.indexOf("=");
    const name = decoded(at < 0 ? part : part.slice(0, at));
    if (fields.has(name)) throw malformed("a field of the form occurs twice");
    fields.set(name, at < 0 ? "" : decoded(part.slice(at + 1)));
  }
  return fields;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw malformed("the form is not percent-encoded UTF-8");
  }
}
