/** Who sent a request, and how: headers of a proxy are believed only when the proxy itself is trusted. */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP } from "node:net";

export interface Addresses {
  /** The nearest address that is no trusted proxy. */
  of(request: IncomingMessage): string;
  /** True when a trusted proxy says that the request came over HTTPS on every hop. */
  overHttps(request: IncomingMessage): boolean;
}

/** `trustProxy`: addresses or CIDR ranges. Throws an Error that names the entry which is neither. */
export function createAddresses(trustProxy: readonly string[]): Addresses {
  const trusted = new BlockList();
  for (const entry of trustProxy) trust(trusted, entry);
  const isTrusted = (address: string): boolean => {
    // The look-up costs more than the rest of this file, and most have no proxy.
    if (trustProxy.length === 0) return false;
    const version = isIP(address);
    return version !== 0 && trusted.check(address, version === 4 ? "ipv4" : "ipv6");
  };

  return {
    of(request) {
      const peer = plain(request.socket.remoteAddress ?? "");
      if (!isTrusted(peer)) return peer;
      // From the right: what stands further left was written by someone we can't vouch for.
      const hops = listOf(request.headers["x-forwarded-for"]).map(plain);
      return hops.findLast((hop) => !isTrusted(hop)) ?? hops[0] ?? peer;
    },
    overHttps(request) {
      if (!isTrusted(plain(request.socket.remoteAddress ?? ""))) return false;
      const protocols = listOf(request.headers["x-forwarded-proto"]);
      return protocols.length > 0 && protocols.every((protocol) => protocol.toLowerCase() === "https");
    },
  };
}

function trust(list: BlockList, entry: string): void {
  const [address = "", prefix, ...rest] = entry.split("/");
  const version = isIP(address);
  const bits = version === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (version === 0 || length < 0 || length > bits || rest.length > 0) {
    throw new Error(
      `server.trustProxy: "${entry}" is no address and no CIDR range; write it like 10.0.0.0/8 or 192.0.2.7`,
    );
  }
  list.addSubnet(address, length, version === 4 ? "ipv4" : "ipv6");
}

const listOf = (header: string | string[] | undefined): string[] =>
  (Array.isArray(header) ? header.join(",") : (header ?? ""))
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");

/** Without port and zone, and IPv4 in its own form: a dual-stack socket shows it as ::ffff:192.0.2.7. */
function plain(address: string): string {
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(address)?.[1] ?? /^([\d.]+):\d+$/.exec(address)?.[1] ?? address;
  const mapped = /^::ffff:([\d.]+)$/i.exec(bare)?.[1];
  return mapped !== undefined && isIP(mapped) === 4 ? mapped : bare.replace(/%.*$/, "");
}
