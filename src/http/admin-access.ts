/**
 * Who may use the admin port. Three proofs:
 *
 * bearer   `Authorization: Bearer TOKEN`; for programs. A right token always passes; wrong ones are counted.
 * session  a cookie that `POST /login` sets. It holds its end and an HMAC under the token, never the token, so that it
 *          outlives a restart and dies when the token is changed.
 * link     a code that is good for one `GET /login?token=CODE`; what `start` prints. The token itself is never put
 *          into an address, where histories and proxies would keep it.
 *
 * Ten wrong proofs from one address within a minute lock its logins for the rest of that minute.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { HttpBindings } from "@hono/node-server";
import type { Clock } from "../resilience/clock.ts";

export const sessionCookie = "signalbox_session";
const sessionMs = 7 * 24 * 3_600_000;
const linkMs = 3_600_000;
const windowMs = 60_000;
const maxWrong = 10;
const maxAddresses = 10_000;

/** What handlers know of a request: where it came from, and by which proof its sender may act. */
export interface AdminEnv {
  Bindings: HttpBindings;
  Variables: { address: string; by: "api" | "cli" | "dashboard" };
}

export interface Access {
  bearer(header: string | undefined): boolean;
  session(cookie: string | undefined): boolean;
  /** Compares in constant time. */
  token(candidate: string): boolean;
  /** The value of a fresh session cookie, and its life in seconds. */
  openSession(): { readonly value: string; readonly maxAge: number };
  /** A code for one login within the hour. */
  mintLink(): string;
  /** Uses the code up. */
  useLink(code: string): boolean;
  /** Counts a wrong proof. */
  wrong(address: string): void;
  /** Seconds until logins of this address are heard again; 0 when they are. */
  lockedFor(address: string): number;
}

export function createAccess(token: string, clock: Clock): Access {
  const digest = (text: string) => createHmac("sha256", "signalbox-admin-token").update(text).digest();
  const expected = digest(token);
  const key = createHmac("sha256", "signalbox-session-key").update(token).digest();
  const seal = (until: string) => createHmac("sha256", key).update(until).digest("base64url");
  const links = new Map<string, number>();
  const wrongs = new Map<string, { count: number; since: number }>();

  const isToken = (candidate: string) => timingSafeEqual(digest(candidate), expected);
  const current = (address: string) => {
    const entry = wrongs.get(address);
    return entry && clock.now() - entry.since < windowMs ? entry : null;
  };
  return {
    token: isToken,
    bearer(header) {
      const match = /^Bearer +(\S+) *$/i.exec(header ?? "");
      return match?.[1] !== undefined && isToken(match[1]);
    },
    session(cookie) {
      const [until = "", given = ""] = (cookie ?? "").split(".");
      if (!/^\d{1,15}$/.test(until) || clock.now() >= Number(until)) return false;
      return timingSafeEqual(digest(given), digest(seal(until)));
    },
    openSession() {
      const until = String(clock.now() + sessionMs);
      return { value: `${until}.${seal(until)}`, maxAge: sessionMs / 1_000 };
    },
    mintLink() {
      const code = randomBytes(24).toString("base64url");
      links.set(digest(code).toString("hex"), clock.now() + linkMs);
      return code;
    },
    useLink(code) {
      const name = digest(code).toString("hex");
      const until = links.get(name);
      links.delete(name);
      return until !== undefined && clock.now() < until;
    },
    wrong(address) {
      const entry = current(address);
      if (entry) entry.count += 1;
      else {
        // Bounded, so that a flood of addresses costs no memory; the ones forgotten start to count anew.
        if (wrongs.size >= maxAddresses) wrongs.clear();
        wrongs.set(address, { count: 1, since: clock.now() });
      }
    },
    lockedFor(address) {
      const entry = current(address);
      if (!entry || entry.count < maxWrong) return 0;
      return Math.max(1, Math.ceil((entry.since + windowMs - clock.now()) / 1_000));
    },
  };
}

/** `Example.org:8090` → `example.org`; `[::1]:8090` → `::1`; empty when it is no host. */
export function hostName(host: string): string {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:/@\s[\]]+))(?::\d{1,5})?$/i.exec(host.trim());
  return (match?.[1] ?? match?.[2] ?? "").toLowerCase().replace(/\.$/, "");
}

/**
 * Which Host headers are answered. A page of another site can point its own name at 127.0.0.1 (DNS rebinding) and then
 * read this port as its own origin; the browser still says that name in Host. An address can't be rebound, so that any
 * is fine where the port was opened to all interfaces on purpose.
 */
export function hostCheck(names: readonly string[]): (host: string | undefined) => boolean {
  const known = new Set(names.map((name) => name.toLowerCase()));
  const wildcard = known.has("0.0.0.0") || known.has("::");
  return (host) => {
    const name = hostName(host ?? "");
    if (name === "") return false;
    if (name === "localhost" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name)) return true;
    return known.has(name) || (wildcard && isIP(name) !== 0);
  };
}

/**
 * Whether a request that changes something came from our own page. Browsers say so themselves (Sec-Fetch-Site, which
 * pages can't set); old ones send Origin. With neither there is no proof, and a cookie alone is not enough.
 */
export function sameOrigin(
  headers: { readonly site: string | undefined; readonly origin: string | undefined },
  origins: readonly string[],
): boolean {
  if (headers.site !== undefined) return headers.site === "same-origin";
  return headers.origin !== undefined && origins.includes(headers.origin.toLowerCase());
}
