/**
 * Who may come in at a source, and with how much, before anything of the request is read.
 *
 * An allow-list narrows who may try; it never stands for a signature.
 */
import { BlockList, isIP } from "node:net";
import { parseNetwork, plainAddress } from "../domain/network.ts";

/** What one source asks of its senders beyond their signature. */
export interface Door {
  /** Overrides the server's setting. */
  readonly requireHttps?: boolean | undefined;
  /** Undefined lets everyone try. */
  readonly allows?: ((address: string) => boolean) | undefined;
  /** Bytes; overrides the source's own limit. */
  readonly maxBody?: number | undefined;
}

export interface AddressBook {
  /** True when the address is in one of the lists or networks. An entry that is neither holds nobody. */
  holds(entries: readonly string[], address: string): boolean;
  /** Replaces one list. Throws an Error, and keeps the old one, when an entry is no network. */
  replace(name: string, networks: readonly string[]): void;
}

/** `lists`: addresses and CIDR ranges by name. Throws an Error that names the entry which is neither. */
export function createAddressBook(lists: Readonly<Record<string, readonly string[]>>): AddressBook {
  const named = new Map(Object.entries(lists).map(([name, networks]) => [name, networksOf(networks, name)]));
  // An entry is read once: this is asked for every request.
  const single = new Map<string, BlockList>();
  const listOf = (entry: string): BlockList | null => {
    const known = named.get(entry) ?? single.get(entry);
    if (known) return known;
    if (parseNetwork(entry) === null) return null;
    const made = networksOf([entry], "allowFrom");
    single.set(entry, made);
    return made;
  };
  return {
    holds(entries, address) {
      const plain = plainAddress(address);
      const version = isIP(plain);
      if (version === 0) return false;
      return entries.some((entry) => listOf(entry)?.check(plain, version === 4 ? "ipv4" : "ipv6") ?? false);
    },
    replace: (name, networks) => void named.set(name, networksOf(networks, name)),
  };
}

/** Throws an Error; `where` says whose entry is wrong. */
export function networksOf(entries: readonly string[], where: string): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const network = parseNetwork(entry);
    if (network === null)
      throw new Error(
        `${where}: "${entry}" is no address and no CIDR range; write it like 10.0.0.0/8 or 192.0.2.7`,
      );
    list.addSubnet(network.address, network.bits, network.family);
  }
  return list;
}
