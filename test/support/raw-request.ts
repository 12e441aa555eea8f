import type { RawRequest } from "../../src/domain/source.ts";

export const rawRequest = (
  headers: Readonly<Record<string, string>>,
  body: Buffer | string,
  receivedAt: number,
): RawRequest => ({
  method: "POST",
  url: "/webhooks/test",
  query: new URLSearchParams(),
  headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  body: typeof body === "string" ? Buffer.from(body, "utf8") : body,
  remoteAddress: "192.0.2.1",
  receivedAt,
});
