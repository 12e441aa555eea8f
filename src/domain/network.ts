/** Addresses and networks as text: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`. */
export interface Network {
  readonly address: string;
  /** Length of the prefix. */
  readonly bits: number;
  readonly family: "ipv4" | "ipv6";
}

const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ipv4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`);

/** 0 for what is no address; an address with a zone is none here. */
function ipVersion(text: string): 0 | 4 | 6 {
  if (ipv4.test(text)) return 4;
  return /^[\da-f:.]+$/i.test(text) && text.includes(":") && URL.canParse(`http://[${text}]/`) ? 6 : 0;
}

/** Null when it is no address and no CIDR range. */
export function parseNetwork(text: string): Network | null {
  const [address = "", prefix, ...rest] = text.split("/");
  const version = ipVersion(address);
  if (version === 0 || rest.length > 0 || address.includes("%")) return null;
  const most = version === 4 ? 32 : 128;
  const bits = prefix === undefined ? most : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1;
  if (bits < 0 || bits > most) return null;
  // A dual-stack socket shows 192.0.2.7 as ::ffff:192.0.2.7, and both must mean the same.
  const plain = plainAddress(address);
  if (version === 6 && ipVersion(plain) === 4 && bits >= 96)
    return { address: plain, bits: bits - 96, family: "ipv4" };
  return { address, bits, family: version === 4 ? "ipv4" : "ipv6" };
}

/** Without port, brackets and zone, and IPv4 in its own form. Text that is no address comes back as it is. */
export function plainAddress(text: string): string {
  const bare = (
    /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ??
    /^([\d.]+):\d+$/.exec(text)?.[1] ??
    text
  ).replace(/%.*$/, "");
  const [, tail = ""] = /^(?:0{1,4}:){0,5}:{0,2}ffff:([\da-f.:]+)$/i.exec(bare) ?? [];
  if (tail === "" || ipVersion(bare) !== 6) return bare;
  if (ipVersion(tail) === 4) return tail;
  const [high, low, ...more] = tail.split(":").map((group) => Number.parseInt(group, 16));
  const whole = /^[\da-f]{1,4}:[\da-f]{1,4}$/i.test(tail) && high !== undefined && low !== undefined;
  return whole && more.length === 0 ? [high >> 8, high & 255, low >> 8, low & 255].join(".") : bare;
}

/**
 * Where providers say that their webhooks come from, for `allowFrom`. Stripe: docs.stripe.com/ips. Linear:
 * linear.app/developers/webhooks. GitHub: `hooks` of api.github.com/meta as it is quoted in public with the date of
 * reading, the same six from January 2024 to August 2026; they hold only until the first reading of our own, which is
 * made at the start and then every day.
 */
export const shippedAddressLists = {
  github: [
    "192.30.252.0/22",
    "185.199.108.0/22",
    "140.82.112.0/20",
    "143.55.64.0/20",
    "2a0a:a440::/29",
    "2606:50c0::/32",
  ],
  stripe: [
    "3.18.12.63",
    "3.130.192.231",
    "13.235.14.237",
    "13.235.122.149",
    "18.211.135.69",
    "35.154.171.200",
    "52.15.183.38",
    "54.88.130.119",
    "54.88.130.237",
    "54.187.174.169",
    "54.187.205.235",
    "54.187.216.72",
  ],
  linear: [
    "35.231.147.226",
    "35.243.134.228",
    "34.140.253.14",
    "34.38.87.206",
    "34.134.222.122",
    "35.222.25.142",
  ],
} as const satisfies Readonly<Record<string, readonly string[]>>;
