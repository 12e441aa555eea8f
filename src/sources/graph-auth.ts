/**
 * Access tokens for Microsoft Graph by client credentials: the app acts for itself, in a mailbox that its tenant has
 * granted it. https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 */
import { ServiceError } from "../domain/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import { heldToken } from "./held-token.ts";
import type { AccessTokens } from "./held-token.ts";
import { answeredBadly, callService, objectIn } from "./service-call.ts";

export interface GraphTokenOptions {
  /** For errors: `source:<name>`. */
  readonly service: string;
  /** JSON with `tenant`, `client_id`, `client_secret`; may name a `token_uri` and a `scope` of another cloud. */
  readonly credentials: string;
  /** Stands in for Microsoft's token endpoint. */
  readonly tokenUrl: string | undefined;
  readonly clock: Clock;
}

const defaultScope = "https://graph.microsoft.com/.default";
const tokenUrlOf = (tenant: string): string =>
  `https://login.microsoftonline.com/${encodeURIComponent(tenant)}/oauth2/v2.0/token`;

/** Reads the credentials when a token is first needed: what is wrong with them is a ServiceError `unauthorized`. */
export function graphTokens(options: GraphTokenOptions): AccessTokens {
  const { service, clock } = options;
  return heldToken(clock, async (signal) => {
    const { url, form } = request(options);
    const call = {
      service,
      clock,
      signal,
      method: "POST",
      url,
      what: "Microsoft's token endpoint",
      form,
    } as const;
    const answer = await callService(call);
    if (answer.status === 429) throw answeredBadly(call, "rate-limited", answer);
    if (answer.status >= 500) throw answeredBadly(call, "unavailable", answer);
    const json = objectIn(answer);
    const token = json?.["access_token"];
    if (answer.status === 200 && typeof token === "string" && token !== "") {
      return { token, expiresIn: json?.["expires_in"] };
    }
    const error = json?.["error"];
    const code = typeof error === "string" && /^[a-z_]{1,60}$/.test(error) ? ` (${error})` : "";
    const advice = "; check the tenant, and that the app's client secret has not ended";
    throw answeredBadly(call, answer.status === 200 ? "unavailable" : "unauthorized", answer, code + advice);
  });
}

function request({ service, credentials, tokenUrl }: GraphTokenOptions): {
  url: string;
  form: URLSearchParams;
} {
  const unusable = (what: string): ServiceError =>
    new ServiceError(
      service,
      "unauthorized",
      `${what}; give JSON with the fields \`tenant\`, \`client_id\` and \`client_secret\``,
    );
  let json: Record<string, unknown>;
  try {
    json = Object(JSON.parse(credentials)) as Record<string, unknown>;
  } catch {
    // The parser's message would quote the credentials.
    throw unusable("`credentials` is no JSON");
  }
  const optional = (...names: string[]): string | undefined =>
    names.map((name) => json[name]).find((value) => typeof value === "string" && value !== "") as
      string | undefined;
  const field = (...names: string[]): string => {
    const value = optional(...names);
    if (value === undefined) throw unusable(`\`credentials\` lacks the field \`${names[0] ?? ""}\``);
    return value;
  };
  const tenant = field("tenant", "tenant_id");
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: field("client_id"),
    client_secret: field("client_secret"),
    scope: optional("scope") ?? defaultScope,
  });
  const named = optional("token_uri");
  const url = tokenUrl ?? (named !== undefined && URL.canParse(named) ? named : tokenUrlOf(tenant));
  return { url, form };
}
