/** Access tokens for Google's APIs: from a refresh token, from a service account's key, or given as they are. */
import { ServiceError } from "../domain/errors.ts";
import type { Clock } from "../resilience/clock.ts";
import { callGoogle } from "./google-call.ts";
import { heldToken } from "./held-token.ts";
import type { AccessTokens, FreshToken } from "./held-token.ts";

const defaultTokenUri = "https://oauth2.googleapis.com/token";

export interface AccessTokenOptions {
  /** For errors: `source:<name>`. */
  readonly service: string;
  /** JSON of an `authorized_user` or `service_account`, or an access token. */
  readonly credentials: string;
  /** Whose mailbox a service account acts for (domain-wide delegation). */
  readonly subject: string;
  readonly scope: string;
  /** Stands in for Google where the JSON names no `token_uri`. */
  readonly baseUrl: string | undefined;
  readonly clock: Clock;
}

type Credentials =
  | { readonly kind: "token"; readonly token: string }
  | {
      readonly kind: "user";
      readonly clientId: string;
      readonly clientSecret: string;
      readonly refreshToken: string;
      readonly tokenUri: string;
    }
  | {
      readonly kind: "service";
      readonly clientEmail: string;
      readonly privateKey: string;
      readonly keyId: string | null;
      readonly tokenUri: string;
    };
type Exchangeable = Exclude<Credentials, { kind: "token" }>;

export function accessTokens(options: AccessTokenOptions): AccessTokens {
  const { clock } = options;
  const exchanged = heldToken(clock, async (signal) => {
    const credentials = readCredentials(options);
    return credentials.kind === "token"
      ? { token: credentials.token, expiresIn: null }
      : exchange(options, credentials, signal);
  });
  return {
    async get(signal) {
      const credentials = readCredentials(options);
      return credentials.kind === "token" ? credentials.token : exchanged.get(signal);
    },
    forget: (token) => exchanged.forget(token) && readCredentials(options).kind !== "token",
  };
}

async function exchange(
  options: AccessTokenOptions,
  credentials: Exchangeable,
  signal: AbortSignal,
): Promise<FreshToken> {
  const { service, clock } = options;
  const form =
    credentials.kind === "user"
      ? refreshForm(credentials)
      : await assertionForm(credentials, options, Math.floor(clock.now() / 1000));
  const answer = await callGoogle({
    service,
    clock,
    signal,
    method: "POST",
    url: credentials.tokenUri,
    what: "the OAuth token endpoint",
    form,
  });
  const { access_token: token, expires_in: expiresIn } = answer.json;
  if (answer.status !== 200 || typeof token !== "string" || token === "") {
    throw refused(service, answer.status, answer.json["error"]);
  }
  return { token, expiresIn };
}

function readCredentials({ service, credentials, baseUrl }: AccessTokenOptions): Credentials {
  const text = credentials.trim();
  if (text === "") {
    throw unusable(service, "`credentials` is unset, so the mailbox can't be read");
  }
  if (!text.startsWith("{")) {
    if (/^[\x21-\x7e]+$/.test(text)) return { kind: "token", token: text };
    throw unusable(service, "`credentials` is neither JSON nor an access token");
  }
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // The parser's message would quote the credentials.
    throw unusable(service, "`credentials` begins like JSON but is none");
  }
  const field = (name: string): string => {
    const value = json[name];
    if (typeof value === "string" && value !== "") return value;
    throw unusable(service, `\`credentials\` lacks the field \`${name}\``);
  };
  const tokenUri =
    typeof json["token_uri"] === "string" && URL.canParse(json["token_uri"])
      ? json["token_uri"]
      : baseUrl
        ? `${baseUrl}/token`
        : defaultTokenUri;
  if (json["type"] === "service_account") {
    const keyId = typeof json["private_key_id"] === "string" ? json["private_key_id"] : null;
    const [clientEmail, privateKey] = [field("client_email"), field("private_key")];
    return { kind: "service", clientEmail, privateKey, keyId, tokenUri };
  }
  if (json["type"] === "authorized_user" || json["refresh_token"] !== undefined) {
    return {
      kind: "user",
      clientId: field("client_id"),
      clientSecret: field("client_secret"),
      refreshToken: field("refresh_token"),
      tokenUri,
    };
  }
  throw unusable(service, '`credentials` must be of type "authorized_user" or "service_account"');
}

const unusable = (service: string, message: string): ServiceError =>
  new ServiceError(
    service,
    "unauthorized",
    `${message}; give the JSON of an authorized_user or service_account, or an access token`,
  );

const refreshForm = (user: Extract<Credentials, { kind: "user" }>): URLSearchParams =>
  new URLSearchParams({
    grant_type: "refresh_token",
    client_id: user.clientId,
    client_secret: user.clientSecret,
    refresh_token: user.refreshToken,
  });

/** https://developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests */
async function assertionForm(
  account: Extract<Credentials, { kind: "service" }>,
  { service, subject, scope }: AccessTokenOptions,
  nowSeconds: number,
): Promise<URLSearchParams> {
  const { SignJWT, importPKCS8 } = await import("jose");
  let assertion: string;
  try {
    const key = await importPKCS8(account.privateKey, "RS256");
    assertion = await new SignJWT({ scope })
      .setProtectedHeader({ alg: "RS256", typ: "JWT", ...(account.keyId ? { kid: account.keyId } : {}) })
      .setIssuer(account.clientEmail)
      .setSubject(subject)
      .setAudience(account.tokenUri)
      .setIssuedAt(nowSeconds)
      .setExpirationTime(nowSeconds + 3600)
      .sign(key);
  } catch {
    throw unusable(service, "`private_key` in `credentials` is no RSA key in PKCS #8 PEM form");
  }
  return new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion });
}

/** Google answers 400 for a grant that was revoked or is not allowed: that is a matter of credentials, not of the event. */
function refused(service: string, status: number, error: unknown): ServiceError {
  const code = typeof error === "string" && /^[a-z_]{1,60}$/.test(error) ? ` (${error})` : "";
  return new ServiceError(
    service,
    status === 200 ? "unavailable" : "unauthorized",
    `the OAuth token endpoint gave no access token: HTTP ${status}${code}; ` +
      "check that the credentials were not revoked and that the account may be read with them",
    { status },
  );
}
