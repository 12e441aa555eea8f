/** Google in one server: the Gmail API, the OAuth token endpoint, and the key set that push tokens are checked against. */
import { createPrivateKey, createPublicKey, generateKeyPair, sign } from "node:crypto";
import { promisify } from "node:util";
import type { Json, JsonObject } from "../domain/json.ts";
import { asNumber, asObject, asText } from "./bodies.ts";
import type { Answer, Call, Route } from "./call.ts";
import { bearer } from "./call.ts";
import type { GoogleState, Mail } from "./gmail-messages.ts";
import { composeMail, encodeRaw, mailIn } from "./gmail-messages.ts";
import { addMail, gmailRoutes, googleFailure } from "./gmail.ts";
import type { Stand, VendorOptions } from "./stand.ts";
import { openStand, saving } from "./stand.ts";
import { openStore } from "./store.ts";

interface PushTokenClaims {
  readonly audience: string;
  /** Of the service account that pushes. */
  readonly email: string;
  /** Any other claim, or another value for one that is set here: `exp`, `iss`, `email_verified` … */
  readonly [claim: string]: Json;
}

export interface GoogleSandbox extends Stand {
  readonly state: GoogleState;
  readonly jwksUrl: string;
  readonly tokenUrl: string;
  /** What a configuration takes as `credentials`: an authorised user, as JSON text. */
  credentials(): string;
  mintPushToken(claims: PushTokenClaims): string;
  /** Mail that arrives. Its `historyId` is what Gmail would announce. */
  receive(mail: Mail): { id: string; historyId: string };
  /** The same for a whole RFC 822 message. */
  receiveRaw(raw: string, options?: { threadId?: string }): { id: string; historyId: string };
  /** The body of a Pub/Sub push; the newest change when `historyId` is left out. */
  pushBody(historyId?: string): string;
  /** Every cursor handed out so far becomes too old: `history` answers 404. */
  expireHistory(): void;
  /** Every access token so far becomes invalid; a new one can be had. */
  expireTokens(): void;
  /** Withdraws the consent: no token can be had any more. */
  revoke(): void;
  limitPages(entries: number): void;
  setAccount(email: string): void;
}

const keyId = "sandbox-1";
const systemLabels = ["INBOX", "SENT", "UNREAD", "SPAM", "TRASH", "STARRED", "IMPORTANT"];

export async function startGoogle(options: VendorOptions): Promise<GoogleSandbox> {
  const { now } = options;
  const store = openStore<GoogleState>(options.file ?? null, {
    account: "support@example.com",
    nextId: 1,
    historyId: 1_000,
    oldestHistoryId: 1_000,
    history: [],
    messages: [],
    pageSize: 500,
    labels: systemLabels.map((name) => ({ id: name, name, type: "system" })),
    watch: null,
    tokens: {},
    revoked: false,
    privateKey: "",
    effects: [],
  });
  const { state } = store;
  if (state.privateKey === "") {
    const pair = await promisify(generateKeyPair)("rsa", { modulusLength: 2048 });
    state.privateKey = pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    store.save();
  }
  const stand = await openStand({
    now,
    routes: [
      ["POST", "/token", (call) => token(state, now(), call)],
      ["GET", "/oauth2/v3/certs", () => keySet(state)],
      ...gmailRoutes(state, now),
      ...sandboxRoutes(state, now),
    ],
    authorize: (call) => authorize(state, now(), call),
    failure: googleFailure,
    save: store.save,
  });
  return { ...stand, state, ...verbs(state, stand.url, now, saving(store.save)) };
}

function receiveRaw(state: GoogleState, at: number, raw: string, options: { threadId?: string }) {
  const record = addMail(state, { raw: encodeRaw(raw), labelIds: ["INBOX", "UNREAD"], at, ...options });
  return { id: record.id, historyId: String(record.historyId) };
}

function receive(state: GoogleState, at: number, mail: Mail) {
  const raw = composeMail(mail, `<mail-${state.nextId}@sandbox.example>`, at);
  return receiveRaw(state, at, raw, mail.threadId === undefined ? {} : { threadId: mail.threadId });
}

/** Doors that Google does not have: another program has a mail arrive, and has the newest change announced. */
function sandboxRoutes(state: GoogleState, now: () => number): Route[] {
  return [
    [
      "POST",
      "/sandbox/mail",
      (call) => {
        const mail = mailIn(call.body);
        return mail
          ? { status: 200, json: receive(state, now(), mail) }
          : googleFailure(400, "`mail` takes from, to, subject and text.");
      },
    ],
    [
      "POST",
      "/sandbox/push",
      (call) => {
        const [audience, email] = ["audience", "email"].map((field) => asText(asObject(call.body)[field]));
        if (!audience || !email) return googleFailure(400, "`audience` and `email` are missing.");
        const token = mintToken(state, now(), { audience, email });
        return { status: 200, json: { token, body: pushBody(state, now(), String(state.historyId)) } };
      },
    ],
  ];
}

function verbs(state: GoogleState, url: string, now: () => number, seed: ReturnType<typeof saving>) {
  return {
    jwksUrl: `${url}/oauth2/v3/certs`,
    tokenUrl: `${url}/token`,
    credentials: () =>
      JSON.stringify({
        type: "authorized_user",
        client_id: "sandbox",
        client_secret: "sandbox",
        refresh_token: "sandbox",
        token_uri: `${url}/token`,
      }),
    mintPushToken: (claims: PushTokenClaims) => mintToken(state, now(), claims),
    receive: seed((mail: Mail) => receive(state, now(), mail)),
    receiveRaw: seed((raw: string, options: { threadId?: string } = {}) =>
      receiveRaw(state, now(), raw, options),
    ),
    pushBody: seed((historyId?: string) => pushBody(state, now(), historyId ?? String(state.historyId))),
    expireHistory: seed(() => {
      state.historyId += 1;
      state.oldestHistoryId = state.historyId;
    }),
    expireTokens: seed(() => {
      state.tokens = {};
    }),
    revoke: seed(() => {
      state.tokens = {};
      state.revoked = true;
    }),
    limitPages: seed((entries: number) => {
      state.pageSize = entries;
    }),
    setAccount: seed((email: string) => {
      state.account = email;
    }),
  };
}

function authorize(state: GoogleState, now: number, call: Call): Answer | null {
  if (!call.path.startsWith("/gmail/")) return null;
  const known = state.tokens[bearer(call) ?? ""];
  if (known === undefined || known <= now) {
    return googleFailure(
      401,
      "Request had invalid authentication credentials. Expected OAuth 2 access token.",
    );
  }
  const user = decodeURIComponent(call.path.split("/")[4] ?? "");
  const own = user === "me" || user.toLowerCase() === state.account.toLowerCase();
  return own ? null : googleFailure(403, `Delegation denied for ${user}`);
}

const jwtGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";

function token(state: GoogleState, now: number, call: Call): Answer {
  const form = asObject(call.body);
  const refuse = (error: string, description: string): Answer => ({
    status: 400,
    json: { error, error_description: description },
  });
  if (state.revoked) return refuse("invalid_grant", "Token has been expired or revoked.");
  const grant = asText(form["grant_type"]);
  if (grant === "refresh_token") {
    const missing = ["refresh_token", "client_id", "client_secret"].find((name) => !asText(form[name]));
    if (missing !== undefined) return refuse("invalid_request", `Missing required parameter: ${missing}`);
  } else if (grant === jwtGrant) {
    const claims = claimsOf(asText(form["assertion"]) ?? "");
    if (!claims) return refuse("invalid_grant", "Invalid JWT: Token must be a signed JWT.");
    if ((asNumber(claims["exp"]) ?? 0) * 1_000 <= now) {
      return refuse("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes)");
    }
  } else return refuse("unsupported_grant_type", `Invalid grant_type: ${grant ?? ""}`);
  const accessToken = `ya29.sandbox${state.nextId++}`;
  state.tokens[accessToken] = now + 3_600_000;
  return {
    status: 200,
    json: {
      access_token: accessToken,
      expires_in: 3_599,
      scope: "https://www.googleapis.com/auth/gmail.modify",
      token_type: "Bearer",
    },
  };
}

/** The claims of a token of three parts; its signature is not checked, since any client may sign for itself. */
function claimsOf(assertion: string): JsonObject | null {
  const parts = assertion.split(".");
  if (parts.length !== 3) return null;
  try {
    return JSON.parse(Buffer.from(parts[1] ?? "", "base64url").toString("utf8")) as JsonObject;
  } catch {
    return null;
  }
}

function keySet(state: GoogleState): Answer {
  const jwk = createPublicKey(createPrivateKey(state.privateKey)).export({ format: "jwk" });
  return {
    status: 200,
    json: { keys: [{ ...jwk, kid: keyId, alg: "RS256", use: "sig" }] },
    headers: { "cache-control": "public, max-age=3600" },
  };
}

function mintToken(state: GoogleState, now: number, { audience, ...claims }: PushTokenClaims): string {
  const seconds = Math.floor(now / 1_000);
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const payload = {
    iss: "https://accounts.google.com",
    aud: audience,
    azp: "113774264463038321964",
    sub: "113774264463038321964",
    email_verified: true,
    iat: seconds,
    exp: seconds + 3_600,
    ...claims,
  };
  const signed = `${part({ alg: "RS256", kid: keyId, typ: "JWT" })}.${part(payload)}`;
  const signature = sign("RSA-SHA256", Buffer.from(signed), createPrivateKey(state.privateKey));
  return `${signed}.${signature.toString("base64url")}`;
}

function pushBody(state: GoogleState, now: number, historyId: string): string {
  const data = JSON.stringify({ emailAddress: state.account, historyId: Number(historyId) });
  const messageId = String(2_070_443_601_311_540n + BigInt(state.nextId++));
  const publishTime = new Date(now).toISOString();
  return JSON.stringify({
    message: {
      data: Buffer.from(data).toString("base64"),
      messageId,
      message_id: messageId,
      publishTime,
      publish_time: publishTime,
    },
    subscription: "projects/sandbox/subscriptions/signalbox",
  });
}
