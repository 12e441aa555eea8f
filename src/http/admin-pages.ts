/** The built dashboard from memory, and the login page, which stands alone so that nothing else is open. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { extname, join, relative, sep } from "node:path";

export interface Asset {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  readonly etag: string;
}

const contentTypes: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".woff2": "font/woff2",
  ".png": "image/png",
};

/**
 * Every file of the build by its path below `folder` (`/index.html`). Read once: a request never names a file on the
 * disk, so that no path can lead out of the folder. Empty when the dashboard is not built.
 */
export async function loadAssets(folder: string): Promise<ReadonlyMap<string, Asset>> {
  const assets = new Map<string, Asset>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const contentType = contentTypes[extname(entry.name)];
    if (!entry.isFile() || contentType === undefined) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = new Uint8Array(await readFile(path));
    const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
    assets.set(`/${relative(folder, path).split(sep).join("/")}`, { bytes, contentType, etag });
  }
  return assets;
}

const style = `
:root{color-scheme:light dark;--ground:#f6f5f1;--card:#fff;--ink:#1d2126;--soft:#5b636d;--line:#8a919a;--deed:#1d4f8c;--on-deed:#fff;--bad:#a3261b}
@media (prefers-color-scheme:dark){:root{--ground:#14171b;--card:#1d2126;--ink:#e9ebee;--soft:#a7afb9;--line:#7d8691;--deed:#9cc3f5;--on-deed:#10202f;--bad:#ff9d92}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
main{width:100%;max-width:25rem;background:var(--card);border-radius:.75rem;padding:2rem;box-shadow:0 1px 3px rgb(0 0 0/.18)}
h1{margin:0 0 .25rem;font-size:1.4rem;letter-spacing:-.01em}
p{margin:0 0 1.25rem;color:var(--soft)}
p.fault{color:var(--bad);font-weight:600}
label{display:block;font-weight:600;margin-bottom:.35rem}
input,button{width:100%;font:inherit;padding:.65rem .75rem;border-radius:.45rem}
input{border:1px solid var(--line);background:var(--ground);color:inherit;margin-bottom:1rem}
button{border:0;background:var(--deed);color:var(--on-deed);font-weight:600;cursor:pointer}
:focus-visible{outline:3px solid var(--deed);outline-offset:2px}
code{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}
`;
// Keeps the place that a link named (`/#/runs/…`): a fragment is not sent to the server, but survives the redirect.
const script = `document.forms[0].action+=location.hash`;

const hashOf = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy = (scripts: string, styles: string) =>
  `default-src 'none'; script-src ${scripts}; style-src ${styles}; img-src 'self' data:; connect-src 'self'; ` +
  `form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;

export const pagePolicy = policy("'self'", "'self'");
export const loginPolicy = policy(hashOf(script), hashOf(style));

/** `fault` is one of our own sentences, never something that was sent to us. */
export const loginPage = (fault: string | null): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · Signalbox</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Signalbox</h1>
<p>Log in with the admin token. It is <code>SIGNALBOX_ADMIN_TOKEN</code>, or the file <code>admin-token</code> in the data folder.</p>
${fault === null ? "" : `<p class="fault" role="alert">${fault}</p>`}
<form method="post" action="/login">
<label for="token">Admin token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button>
</form>
</main>
<script>${script}</script>
</body>
</html>
`;
