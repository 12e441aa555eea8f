/** The part of a process that takes webhooks: the ingest port, and the lists of addresses that its doors ask. */
import { createGithubAddresses, wantsGithubAddresses } from "./github-addresses.ts";
import { createIngest } from "./http/ingest.ts";
import type { Parts } from "./parts.ts";

export interface Receiving {
  readonly host: string;
  readonly port: number;
  /** What the configuration now says is in force for the next request. */
  reloaded(): void;
  /** What changes by the day. */
  refresh(signal: AbortSignal): Promise<void>;
  /** Lets nobody new in, and requests under way end. */
  close(graceMs: number): Promise<void>;
}

/** Resolves once webhooks are received. Rejects with an Error that says why the port can't be had. */
export async function startReceiving(parts: Parts): Promise<Receiving> {
  const { store, current } = parts;
  const server = () => current().settings.loaded.config.server;
  const sources = new Map(current().sources);
  const ingest = createIngest({
    ...parts,
    sources,
    get requireHttps() {
      return server().requireHttps;
    },
    get trustProxy() {
      return server().trustProxy;
    },
    doors: (source) => current().doors.get(source),
  });
  const github = createGithubAddresses({
    ...parts,
    state: store.state,
    wanted: () => wantsGithubAddresses(current().settings.loaded.config),
    metaUrl: () => server().githubMetaUrl,
    onNetworks: (networks) => current().addresses.replace("github", networks),
  });
  await github.apply();
  const { host } = server();
  const { port } = await ingest.listen({ host, port: server().port });
  return {
    host,
    port,
    reloaded() {
      sources.clear();
      for (const [name, source] of current().sources) sources.set(name, source);
    },
    refresh: (signal) => github.refresh(signal),
    close: (graceMs) => ingest.close(graceMs),
  };
}
