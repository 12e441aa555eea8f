/** Signed webhooks of GitHub, as bytes for the load generator. */
import { createHmac, randomUUID } from "node:crypto";

export interface PullRequestEvent {
  readonly action: "opened" | "closed";
  readonly number: number;
  /** Bytes of the body, about. */
  readonly size: number;
}

export function pullRequestBody({ action, number, size }: PullRequestEvent): string {
  const body = {
    action,
    number,
    id: randomUUID(),
    pull_request: { number, state: "open", draft: false, user: { login: "ada", type: "User" } },
    repository: { name: "counting", full_name: "acme/counting", owner: { login: "acme" } },
  };
  const filler = "x".repeat(Math.max(0, size - JSON.stringify(body).length - 12));
  return JSON.stringify({ ...body, filler });
}

export function signedRequest(text: string, secret: string): Buffer {
  const signature = createHmac("sha256", secret).update(text).digest("hex");
  return Buffer.from(
    [
      "POST /webhooks/github HTTP/1.1",
      "Host: 127.0.0.1",
      "Content-Type: application/json",
      `Content-Length: ${Buffer.byteLength(text)}`,
      "X-GitHub-Event: pull_request",
      `X-GitHub-Delivery: ${randomUUID()}`,
      `X-Hub-Signature-256: sha256=${signature}`,
      "",
      text,
    ].join("\r\n"),
  );
}
