/**
 * The admin port: dashboard, API, metrics, health. A request passes, in this order: the Host check (421), the open
 * paths (health, login), the proof (401), for changes by cookie the same-origin check (403), then its handler.
 */
import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import type { Context, Next } from "hono";
import { getCookie } from "hono/cookie";
import { Conflict, JournalUnavailable, ServiceClosed, ServiceError } from "../domain/errors.ts";
import type { Audit } from "../domain/audit.ts";
import type { Changes, Reads } from "../domain/ports.ts";
import type { Log } from "../observability/log.ts";
import { redactText } from "../observability/redact.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Clock } from "../resilience/clock.ts";
import type { AdminEnv } from "./admin-access.ts";
import { createAccess, hostCheck, hostName, sameOrigin, sessionCookie } from "./admin-access.ts";
import { addApi } from "./admin-api.ts";
import type { Control } from "./admin-api.ts";
import { recorder } from "./admin-audit.ts";
import { errorAnswer } from "./admin-body.ts";
import { addLogin, showLogin } from "./admin-login.ts";
import { loadAssets, pagePolicy } from "./admin-pages.ts";
import type { Asset } from "./admin-pages.ts";
import { BadRequest } from "./admin-queries.ts";
import { createLiveFeed } from "./admin-stream.ts";
import type { BreakerRow, ProcessRow, SourceRow } from "./admin-views.ts";
import { listenFault } from "./listen-fault.ts";

export type { Control } from "./admin-api.ts";
export type { BreakerRow, ProcessRow, SourceRow } from "./admin-views.ts";

const maxBodyBytes = 1024 * 1024;
const closeGraceMs = 2_000;

export interface Readiness {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly detail?: string }>>;
}

export interface AdminOptions {
  readonly reads: Reads;
  readonly changes: Changes;
  readonly control: Control;
  readonly audit: Audit;
  readonly breakers: () => Promise<readonly BreakerRow[]>;
  readonly sources: () => Promise<readonly SourceRow[]>;
  readonly processes: () => Promise<readonly ProcessRow[]>;
  readonly metrics: Pick<Metrics, "render">;
  readonly ready: () => Promise<Readiness>;
  /** The admin token; at least 16 characters, or the log warns. */
  readonly token: string;
  /**
   * Under which names, besides the loopback ones and the one listened on, the port may be reached; read at every request.
   * `urls` are addresses of a reverse proxy in front, if any: their hosts are answered, their https makes cookies secure.
   */
  readonly reached?: () => { readonly hosts?: readonly string[]; readonly urls?: readonly string[] };
  /** The folder of the built dashboard. */
  readonly assets: string;
  readonly log: Log;
  readonly clock: Clock;
  readonly version: string;
}

export interface Admin {
  /** Resolves to what was bound; `port: 0` takes a free one. Rejects with an Error that says why it can't be had. */
  listen(address: { host: string; port: number }): Promise<{ host: string; port: number }>;
  /** `/login?token=…` with a code that is good for one login within the hour; to be put behind the printed address. */
  loginPath(): string;
  /** Ends the live feeds, waits shortly for requests under way, then cuts. */
  close(): Promise<void>;
}

type C = Context<AdminEnv>;

export function createAdmin(options: AdminOptions): Admin {
  const { log, clock, token } = options;
  if (token.trim() === "") throw new Error("the admin token is empty; set SIGNALBOX_ADMIN_TOKEN");
  if (token.length < 16) log.warn({}, "the admin token is short; use 16 random characters or more");
  const access = createAccess(token, clock);
  const feed = createLiveFeed(options);
  let assets: ReadonlyMap<string, Asset> = new Map();
  let server: Server | null = null;

  function appFor(listenHost: string): Hono<AdminEnv> {
    const app = new Hono<AdminEnv>();
    addGuards(app, options, access, listenHost);
    addOpen(app, options);
    app.get("/metrics", async (c) => {
      const { contentType, text } = await options.metrics.render();
      return c.body(text, 200, { "Content-Type": contentType });
    });
    addApi(app, { ...options, feed });
    app.get("*", (c) => page(c, assets));
    app.notFound((c) => c.json(errorAnswer("not_found", "There is nothing at this path."), 404));
    app.onError((error, c) => failure(c, error, log));
    return app;
  }
  return {
    async listen({ host, port }) {
      assets = await loadAssets(options.assets);
      const app = appFor(host);
      const listening = createAdaptorServer({ fetch: app.fetch, overrideGlobalObjects: false }) as Server;
      server = listening;
      await new Promise<void>((resolve, reject) => {
        const fail = (error: Error) =>
          reject(listenFault(error, host, port, { host: "adminHost", port: "adminPort" }));
        listening.once("error", fail);
        listening.listen(port, host, () => {
          listening.off("error", fail);
          resolve();
        });
      });
      const bound = listening.address();
      return { host, port: bound !== null && typeof bound === "object" ? bound.port : port };
    },
    loginPath: () => `/login?token=${access.mintLink()}`,
    async close() {
      feed.close();
      const closing = server;
      server = null;
      if (!closing) return;
      const cut = clock.after(closeGraceMs, () => closing.closeAllConnections());
      await new Promise<void>((resolve) => {
        closing.close(() => resolve());
        closing.closeIdleConnections();
      });
      cut.cancel();
    },
  };
}

const pathOf = (c: C) => new URL(c.req.url).pathname;
const isOpen = (path: string) => path === "/healthz" || path === "/readyz" || path === "/login";

function addGuards(
  app: Hono<AdminEnv>,
  options: AdminOptions,
  access: ReturnType<typeof createAccess>,
  listenHost: string,
): void {
  const reached = () => options.reached?.() ?? {};
  const published = (): URL[] =>
    (reached().urls ?? []).filter((url) => URL.canParse(url)).map((url) => new URL(url));
  const hostAllowed = (host: string | undefined) =>
    hostCheck([listenHost, ...(reached().hosts ?? []), ...published().map((url) => hostName(url.host))])(
      host,
    );
  const publishedAs = (c: C): URL | undefined =>
    published().find((url) => hostName(url.host) === hostName(c.req.header("Host") ?? ""));
  const fromOwnPage = (c: C) =>
    sameOrigin({ site: c.req.header("Sec-Fetch-Site"), origin: c.req.header("Origin") }, [
      `http://${c.req.header("Host")?.toLowerCase() ?? ""}`,
      ...published().map(({ origin }) => origin),
    ]);

  app.use(async (c, next) => {
    setHeaders(c);
    c.set("address", c.env.incoming.socket.remoteAddress ?? "");
    if (hostAllowed(c.req.header("Host"))) return next();
    const message =
      "This host name is not answered. Use localhost, adminHost, the host of adminUrl or publicUrl, or a name of server.adminHosts.";
    return c.json(errorAnswer("wrong_host", message), 421);
  });
  app.use((c, next) => limitBody(c, next));
  app.use(async (c, next) => {
    const path = pathOf(c);
    if (isOpen(path)) return next();
    if (access.bearer(c.req.header("Authorization"))) {
      c.set("by", /^signalbox-cli\b/.test(c.req.header("User-Agent") ?? "") ? "cli" : "api");
      return next();
    }
    if (!access.session(getCookie(c, sessionCookie))) return refuse(c, access);
    c.set("by", "dashboard");
    if (c.req.method === "GET" || c.req.method === "HEAD" || fromOwnPage(c)) return next();
    const message =
      "A change by cookie must come from this service's own page; programs use the bearer token.";
    return c.json(errorAnswer("cross_site", message), 403);
  });
  addLogin(app, {
    access,
    async onLogin(c, how) {
      try {
        await recorder(options.audit)(c, "login", null, { details: { how } });
      } catch (err) {
        // With a full disk nothing can be recorded, and a person who comes to look must get in.
        options.log.warn({ err, address: c.var.address }, "a login could not be recorded");
      }
    },
    secure: (c) => publishedAs(c)?.protocol === "https:",
    fromOwnPage,
  });
}

/** Without a length there is no body, unless it comes in chunks: those are not counted, but refused. */
async function limitBody(c: C, next: Next): Promise<Response | undefined> {
  if (c.req.header("Transfer-Encoding") !== undefined)
    return c.json(errorAnswer("length_required", "Send the body with its Content-Length."), 411);
  if (Number(c.req.header("Content-Length") ?? 0) > maxBodyBytes)
    return c.json(errorAnswer("too_large", `At most ${maxBodyBytes} bytes are read.`), 413);
  await next();
  return undefined;
}

function setHeaders(c: C): void {
  c.header("Content-Security-Policy", pagePolicy);
  c.header("X-Content-Type-Options", "nosniff");
  c.header("X-Frame-Options", "DENY");
  c.header("Referrer-Policy", "no-referrer");
  c.header("Cross-Origin-Opener-Policy", "same-origin");
  c.header("Cross-Origin-Resource-Policy", "same-origin");
  c.header("Cache-Control", "no-store");
}

function refuse(c: C, access: ReturnType<typeof createAccess>) {
  const path = pathOf(c);
  if (c.req.header("Authorization") !== undefined) {
    access.wrong(c.var.address);
    const seconds = access.lockedFor(c.var.address);
    if (seconds > 0) {
      c.header("Retry-After", String(seconds));
      return c.json(errorAnswer("too_many_logins", `Too many wrong tokens; wait ${seconds} seconds.`), 429);
    }
  } else if (path === "/" && c.req.method === "GET") return showLogin(c, 401, null);
  c.header("WWW-Authenticate", 'Bearer realm="signalbox"');
  const message = "Send the admin token as `Authorization: Bearer …`, or log in at /login.";
  return c.json(errorAnswer("unauthorized", message), 401);
}

function addOpen(app: Hono<AdminEnv>, options: AdminOptions): void {
  app.get("/healthz", (c) => c.json({ status: "ok" }));
  app.get("/readyz", async (c) => {
    const { ok, checks } = await options.ready();
    return c.json({ ok, checks }, ok ? 200 : 503);
  });
}

function page(c: C, assets: ReadonlyMap<string, Asset>) {
  const path = pathOf(c);
  const asset = assets.get(path === "/" ? "/index.html" : path);
  if (!asset) {
    if (path !== "/") return c.json(errorAnswer("not_found", "There is nothing at this path."), 404);
    return c.text("The dashboard is not built. Run `npm run build`, then start again.", 503);
  }
  // Names of built files hold a hash of their content, the page's own name does not.
  const hashed = path.startsWith("/assets/");
  c.header("Cache-Control", hashed ? "private, max-age=31536000, immutable" : "no-cache");
  c.header("ETag", asset.etag);
  if (c.req.header("If-None-Match") === asset.etag) return c.body(null, 304);
  return c.body(asset.bytes, 200, { "Content-Type": asset.contentType });
}

const conflictStatus = { not_found: 404, stale_hash: 409, wrong_state: 409, invalid_edit: 422 } as const;

function failure(c: C, error: Error, log: Log) {
  if (error instanceof BadRequest) return c.json(errorAnswer("bad_request", error.message), 400);
  if (error instanceof Conflict)
    return c.json(errorAnswer(error.code, error.message), conflictStatus[error.code]);
  if (error instanceof JournalUnavailable) {
    c.header("Retry-After", "5");
    return c.json(errorAnswer("journal_unavailable", "The journal can't be used right now; try again."), 503);
  }
  if (error instanceof ServiceError || error instanceof ServiceClosed) {
    c.header("Retry-After", "60");
    return c.json(errorAnswer("service_unavailable", redactText(error.message)), 503);
  }
  log.error({ err: error, path: pathOf(c) }, "a request to the admin port failed");
  return c.json(errorAnswer("internal", "This failed on our side; the log says why."), 500);
}
