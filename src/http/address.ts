/**
 * Who sent a request, and how: headers of a proxy are believed only when the proxy itself is trusted. Only
 * X-Forwarded-For and X-Forwarded-Proto count: a proxy that writes these often passes a client's own `Forwarded` on.
 */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import { plainAddress as plain } from "../domain/network.ts";
import { networksOf } from "./doors.ts";

export interface Addresses {
  /** The nearest address that is no trusted proxy. */
  of(request: IncomingMessage): string;
  /** True when a trusted proxy says that the request came over HTTPS on every hop. */
  overHttps(request: IncomingMessage): boolean;
}

/** `trustProxy`: addresses or CIDR ranges. Throws an Error that names the entry which is neither. */
function createAddresses(trustProxy: readonly string[]): Addresses {
  const trusted = networksOf(trustProxy, "server.trustProxy");
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

/** By the list that `trustProxy` gives at the time. Throws as `createAddresses` does, also when another list is given later. */
export function createLiveAddresses(trustProxy: () => readonly string[]): Addresses {
  let known = trustProxy();
  let addresses = createAddresses(known);
  const current = (): Addresses => {
    const given = trustProxy();
    if (given !== known) {
      addresses = createAddresses(given);
      known = given;
    }
    return addresses;
  };
  return {
    of: (request) => current().of(request),
    overHttps: (request) => current().overHttps(request),
  };
}

const listOf = (header: string | string[] | undefined): string[] =>
  (Array.isArray(header) ? header.join(",") : (header ?? ""))
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
