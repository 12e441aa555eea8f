/** GitHub's shapes of commits and files at a commit. */

export function commit(base: string, repo: string, sha: string) {
  const url = `${base}/repos/${repo}/commits/${sha}`;
  const person = { name: "Sandbox", email: "sandbox@example.com", date: "2026-01-01T00:00:00Z" };
  return {
    url,
    sha,
    node_id: Buffer.from(`Commit:${sha}`).toString("base64"),
    html_url: `${base}/${repo}/commit/${sha}`,
    comments_url: `${url}/comments`,
    commit: {
      url: `${base}/repos/${repo}/git/commits/${sha}`,
      author: person,
      committer: person,
      message: `Commit ${sha.slice(0, 7)}`,
      comment_count: 0,
      tree: { sha, url: `${base}/repos/${repo}/git/trees/${sha}` },
    },
    author: {},
    committer: {},
    parents: [],
  };
}

export function contentFile(base: string, repo: string, path: string, content: string) {
  const escaped = path.split("/").map(encodeURIComponent).join("/");
  const url = `${base}/repos/${repo}/contents/${escaped}`;
  const html = `${base}/${repo}/blob/main/${escaped}`;
  return {
    type: "file",
    encoding: "base64",
    size: Buffer.byteLength(content),
    name: path.split("/").at(-1) ?? path,
    path,
    content: Buffer.from(content).toString("base64"),
    sha: Buffer.from(path).toString("hex").padEnd(40, "0").slice(0, 40),
    url,
    git_url: null,
    html_url: html,
    download_url: null,
    _links: { git: null, html, self: url },
  };
}
