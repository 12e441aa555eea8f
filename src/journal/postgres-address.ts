/** DATABASE_URL: what it asks for, and in words for people, never with the address, why nothing is reached by it. */

const badAddress = "DATABASE_URL can't be read as an address: postgresql://user:password@host:5432/name";

/**
 * The address for the driver. It checks certificates in all of `prefer`, `require` and `verify-ca` as in `verify-full`,
 * and warns of what a later version of it may do: said in its own words, there is nothing to warn of. Whoever asks for
 * libpq's looser meaning by `uselibpqcompat` gets it.
 */
export function addressFor(url: string): string {
  if (/[?&]uselibpqcompat=true(&|$)/.test(url)) return url;
  return url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/g, "$1verify-full");
}

/** Of what the driver threw when it was given the address. */
export function unreadable(error: unknown): Error {
  const { code, path } = error as { code?: unknown; path?: unknown };
  // Its sslrootcert, sslcert or sslkey.
  if (typeof code === "string" && typeof path === "string")
    return new Error(`a file that DATABASE_URL names can't be read (${code}): ${path}`);
  return new Error(badAddress);
}

/** Of what ended the attempt to connect. */
export function unreachable(error: unknown): Error {
  const { code } = error as { code?: unknown };
  const said = error instanceof Error ? error.message : String(error);
  if (typeof code === "string" && /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code))
    return new Error(
      `the certificate of PostgreSQL is not trusted (${said}): name the right host in DATABASE_URL, and its authority in NODE_EXTRA_CA_CERTS or by sslrootcert=FILE; sslmode=no-verify encrypts without looking at it`,
      { cause: error },
    );
  return new Error(`PostgreSQL can't be reached (${said}): is it running, and is DATABASE_URL right?`, {
    cause: error,
  });
}
