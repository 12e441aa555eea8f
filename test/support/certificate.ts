/** An authority of its own and a certificate of it for loopback, made on the fly by openssl, good for a day. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

export const opensslPresent = spawnSync("openssl", ["version"]).status === 0;

/** Paths of PEM files. */
export interface Certificate {
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

/** Its files go into the folder. */
export function makeCertificate(folder: string): Certificate {
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync("openssl", args, { cwd: folder });
    if (status !== 0) throw new Error(`openssl ${args[0]}: ${stderr.toString()}`);
  };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const made = ["-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=loopback"];
  writeFileSync(at("names"), "subjectAltName = IP:127.0.0.1");
  openssl(
    "req",
    "-x509",
    ...key,
    "-keyout",
    "ca-key.pem",
    "-out",
    "ca.pem",
    "-days",
    "1",
    "-subj",
    "/CN=test",
  );
  openssl("req", ...key, ...made);
  const signed = ["-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-extfile", "names"];
  openssl("x509", "-req", "-in", "request.pem", ...signed, "-out", "certificate.pem", "-days", "1");
  return { authority: at("ca.pem"), certificate: at("certificate.pem"), key: at("key.pem") };
}
