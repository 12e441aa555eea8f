/** Logging in and out: the form, the JSON way, the one-time link. */
import type { Context, Hono } from "hono";
import { deleteCookie, setCookie } from "hono/cookie";
import { sessionCookie } from "./admin-access.ts";
import type { Access, AdminEnv } from "./admin-access.ts";
import { loginPage, loginPolicy } from "./admin-pages.ts";

type C = Context<AdminEnv>;

export function showLogin(c: C, status: 200 | 401 | 429, fault: string | null) {
  c.header("Content-Security-Policy", loginPolicy);
  return c.html(loginPage(fault), status);
}

export interface LoginParts {
  readonly access: Access;
  /** Before the session is given out. */
  readonly onLogin: (c: C, how: "link" | "token") => Promise<void>;
  /** Whether the request reached us through the https address that the service is published under. */
  readonly secure: (c: C) => boolean;
  readonly fromOwnPage: (c: C) => boolean;
}

export function addLogin(app: Hono<AdminEnv>, { access, onLogin, secure, fromOwnPage }: LoginParts): void {
  const openSession = async (c: C, how: "link" | "token") => {
    c.set("by", "dashboard");
    await onLogin(c, how);
    const { value, maxAge } = access.openSession();
    // Not Strict: who follows the link of a notice would have to log in again. A change by cookie has to come from our page anyway.
    const options = { httpOnly: true, sameSite: "Lax", path: "/", maxAge, secure: secure(c) } as const;
    setCookie(c, sessionCookie, value, options);
  };
  const locked = (c: C) => {
    const seconds = access.lockedFor(c.var.address);
    if (seconds > 0) c.header("Retry-After", String(seconds));
    return seconds > 0 ? `Too many failed logins. Try again in ${seconds} seconds.` : null;
  };

  app.get("/login", async (c) => {
    const code = c.req.query("token");
    if (code === undefined) return showLogin(c, 200, null);
    const lock = locked(c);
    if (lock !== null) return showLogin(c, 429, lock);
    if (access.useLink(code)) {
      await openSession(c, "link");
      return c.redirect("/", 303);
    }
    access.wrong(c.var.address);
    return showLogin(c, 401, "This link was used already, or is too old. Log in with the token instead.");
  });

  app.post("/login", async (c) => {
    const json = /^application\/json\b/i.test(c.req.header("Content-Type") ?? "");
    const fail = (status: 401 | 403 | 429, code: string, message: string) =>
      json || status === 403 ? c.json({ error: { code, message } }, status) : showLogin(c, status, message);
    // Another site must not log a person in either; programs send none of these headers, and have the token.
    const browser = c.req.header("Sec-Fetch-Site") ?? c.req.header("Origin");
    if (browser !== undefined && !fromOwnPage(c))
      return fail(403, "cross_site", "A login is only taken from this service's own page.");
    const lock = locked(c);
    if (lock !== null) return fail(429, "too_many_logins", lock);
    const fields: unknown = await (json ? c.req.json() : c.req.parseBody()).catch(() => null);
    const token = fields !== null && typeof fields === "object" && "token" in fields ? fields.token : "";
    if (typeof token !== "string" || !access.token(token.trim())) {
      access.wrong(c.var.address);
      return fail(401, "wrong_token", "That is not the admin token.");
    }
    await openSession(c, "token");
    return json ? c.body(null, 204) : c.redirect("/", 303);
  });

  app.post("/logout", (c) => {
    deleteCookie(c, sessionCookie, { path: "/", secure: secure(c) });
    return c.redirect("/login", 303);
  });
}
