/** The OIDC token that Pub/Sub puts on a push. It proves who sent the request; it does not cover the body. */
import type { JWTVerifyGetKey } from "jose";
import { Rejection } from "../domain/errors.ts";

export interface PushTokenRules {
  /** The `aud` that the push subscription was given. */
  readonly audience: string;
  /** The service account that the push subscription was given. */
  readonly email: string;
  /** Google's signing keys. */
  readonly keySetUrl: string;
}

/** Throws Rejection: 401 when the token is not Google's word, 503 when Google's keys can't be had. */
export type PushTokenCheck = (authorization: string | undefined, receivedAt: number) => Promise<void>;

const issuers = ["https://accounts.google.com", "accounts.google.com"];
const toleranceSeconds = 30;
const keysTimeoutMs = 3_000;
/** Google announces new keys well ahead and lets its key set be cached for hours: a short outage of it goes unnoticed. */
const keysMaxAgeMs = 6 * 3_600_000;
const retryAfterSeconds = 10;

/** Faults of the token, not of the key set: no key fits it, or it asks for something we do not do. */
const tokenFaults = new Set([
  "ERR_JWKS_NO_MATCHING_KEY",
  "ERR_JWKS_MULTIPLE_MATCHING_KEYS",
  "ERR_JOSE_NOT_SUPPORTED",
]);

export function pushTokenCheck(rules: PushTokenRules): PushTokenCheck {
  let library: Promise<typeof import("jose")> | undefined;
  let keys: JWTVerifyGetKey | undefined;
  return async (authorization, receivedAt) => {
    const token = bearerToken(authorization);
    const { jwtVerify, createRemoteJWKSet } = await (library ??= import("jose"));
    const options = {
      issuer: issuers,
      audience: rules.audience,
      algorithms: ["RS256"],
      clockTolerance: toleranceSeconds,
      currentDate: new Date(receivedAt),
      requiredClaims: ["exp", "iat", "email"],
    };
    keys ??= googleKeys(
      createRemoteJWKSet(new URL(rules.keySetUrl), {
        timeoutDuration: keysTimeoutMs,
        cacheMaxAge: keysMaxAgeMs,
      }),
    );
    let claims: Record<string, unknown>;
    try {
      claims = (await jwtVerify(token, keys, options)).payload;
    } catch (error) {
      throw error instanceof Rejection ? error : rejectionOf(error);
    }
    checkSender(claims, rules.email, receivedAt);
  };
}

function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined || authorization === "") {
    throw new Rejection(
      401,
      "token_missing",
      "the Authorization header is missing; enable authentication on the push subscription",
    );
  }
  const [, token, signature] =
    /^bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+))$/i.exec(authorization) ?? [];
  // Spare bits at the end of base64url could be set without changing the signature: only one spelling is accepted.
  if (
    token === undefined ||
    signature === undefined ||
    Buffer.from(signature, "base64url").toString("base64url") !== signature
  ) {
    throw new Rejection(401, "token_malformed", "the Authorization header must read Bearer <signed JWT>");
  }
  return token;
}

function googleKeys(remote: JWTVerifyGetKey): JWTVerifyGetKey {
  return async (header, token) => {
    try {
      return await remote(header, token);
    } catch (error) {
      if (tokenFaults.has(codeOf(error))) throw error;
      throw new Rejection(
        503,
        "keys_unavailable",
        "Google's signing keys can't be fetched, so the token can't be checked; send the request again",
        { retryAfterSeconds, cause: error },
      );
    }
  };
}

const codeOf = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";

/** Never hands the library's error on: it carries the token's claims. */
function rejectionOf(error: unknown): Rejection {
  const claim = error instanceof Error && "claim" in error ? error.claim : undefined;
  if (codeOf(error) === "ERR_JWT_EXPIRED") {
    return new Rejection(401, "token_expired", "the token has expired; check this machine's clock");
  }
  if (claim === "aud") {
    return new Rejection(
      401,
      "token_invalid",
      "the token's `aud` is not this source's `audience`; give the push subscription the same audience",
    );
  }
  if (claim === "iss") {
    return new Rejection(401, "token_invalid", "the token's `iss` must be https://accounts.google.com");
  }
  if (typeof claim === "string") {
    return new Rejection(
      401,
      "token_invalid",
      "a claim of the token that is required is missing or unusable",
    );
  }
  return new Rejection(401, "token_invalid", "the token must be signed RS256 by one of Google's keys");
}

function checkSender(claims: Record<string, unknown>, email: string, receivedAt: number): void {
  const { iat } = claims;
  if (typeof iat !== "number" || iat > receivedAt / 1000 + toleranceSeconds) {
    throw new Rejection(
      401,
      "token_invalid",
      "the token was issued in the future; check this machine's clock",
    );
  }
  // The audience is no secret: any Google account can have a token made for it. Only the account makes it ours.
  if (claims["email"] !== email || claims["email_verified"] !== true) {
    throw new Rejection(
      401,
      "token_invalid",
      "the token's verified `email` is not this source's `pushServiceAccount`",
    );
  }
}
