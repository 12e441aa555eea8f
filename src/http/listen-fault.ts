/** Why a port can't be had, as a sentence that names the key under `server:` to change. */
export function listenFault(
  error: NodeJS.ErrnoException,
  host: string,
  port: number,
  keys: { readonly host: string; readonly port: string },
): Error {
  const why =
    error.code === "EADDRINUSE"
      ? `another program has it; set server.${keys.port} to a free one`
      : error.code === "EACCES"
        ? `it needs rights this user has not; set server.${keys.port} to 1024 or more`
        : `the system refuses it (${error.code ?? error.message}); check server.${keys.host}`;
  return new Error(`port ${port} on ${host} can't be had: ${why}`, { cause: error });
}
