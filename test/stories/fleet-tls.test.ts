/** The server profile over TLS, with passwords in its addresses: as servers of a host are reached. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { deliver, signGithub } from "../../src/sandbox/senders.ts";
import { makeCertificate, opensslPresent } from "../support/certificate.ts";
import type { Certificate } from "../support/certificate.ts";
import { fleetConfig, list } from "../support/fleet.ts";
import type { RunRow } from "../support/fleet.ts";
import { postgresPresent, startPostgres } from "../support/postgres.ts";
import type { PostgresServer } from "../support/postgres.ts";
import { runProgram, startProgram, temporaryFolder } from "../support/program.ts";
import { redisSpeaksTls, startRedis } from "../support/redis.ts";
import type { RedisServer } from "../support/redis.ts";
import { freePort, giveToServer } from "../support/servers.ts";

const canRun = postgresPresent && redisSpeaksTls && opensslPresent;
const note = canRun ? "" : " [skipped: PostgreSQL, a redis-server that speaks TLS, or openssl is missing]";
const payload = {
  action: "closed",
  number: 7,
  pull_request: { number: 7, state: "closed", draft: false, user: { login: "ada", type: "User" } },
  repository: { name: "web", full_name: "acme/web", owner: { login: "acme" } },
};

describe.skipIf(!canRun)(`servers that are reached over TLS only${note}`, () => {
  const place = temporaryFolder();
  let certificate: Certificate;
  let postgres: PostgresServer;
  let redis: RedisServer;
  let addresses: { DATABASE_URL: string; REDIS_URL: string };
  beforeAll(async () => {
    const at = mkdtempSync(join(tmpdir(), "signalbox-tls-"));
    certificate = makeCertificate(at);
    giveToServer(certificate.key);
    const tlsPort = await freePort();
    [postgres, redis] = await Promise.all([
      startPostgres(
        ["ssl=on", `ssl_cert_file=${certificate.certificate}`, `ssl_key_file=${certificate.key}`],
        at,
      ),
      startRedis({
        args: [
          ["--tls-port", `${tlsPort}`, "--tls-auth-clients", "no", "--requirepass", "redis-4711"],
          ["--tls-cert-file", certificate.certificate, "--tls-key-file", certificate.key],
          ["--tls-ca-cert-file", certificate.authority],
        ].flat(),
      }),
    ]);
    const owner = new pg.Client({ connectionString: postgres.url });
    await owner.connect();
    await owner.query("ALTER ROLE signalbox PASSWORD 'postgres-4711'");
    writeFileSync(join(at, "data", "pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n");
    await owner.query("SELECT pg_reload_conf()");
    await owner.end();
    addresses = {
      DATABASE_URL: `${postgres.url.replace("signalbox@", "signalbox:postgres-4711@")}?sslmode=require`,
      REDIS_URL: `rediss://:redis-4711@127.0.0.1:${tlsPort}/2`,
    };
  }, 120_000);
  afterAll(async () => {
    await Promise.all([postgres.stop(), redis.stop()]);
    place.remove();
  });

  it("take the service whose trust their authority has, and no word of it tells their passwords", async () => {
    const env = {
      ...addresses,
      NODE_EXTRA_CA_CERTS: certificate.authority,
      GITHUB_WEBHOOK_SECRET: "s",
      LOG_LEVEL: "trace",
    };
    const config = fleetConfig().replace("mode: auto", "mode: dry-run");
    const program = await startProgram({ config, env, folder: place.folder });
    onTestFinished(() => program.kill());
    const sent = signGithub({ secret: "s", event: "pull_request", payload });
    expect((await deliver(`${program.ingestUrl}/webhooks/github`, sent)).status).toBe(200);
    const ended = async () => (await list<RunRow>(program, "/api/runs")).map(({ status }) => status);
    await expect.poll(ended, { timeout: 60_000 }).toEqual([expect.stringMatching(/succeeded|cancelled/)]);
    // The queue is spoken of when it is away.
    const ready = await (await fetch(`${program.adminUrl}/readyz`)).text();
    expect(ready).toMatch(/^{"ok":true/);
    expect(ready).not.toContain("queue");
    const doctor = await program.cli("doctor", "--json");
    expect(await program.stop()).toBe(0);
    expect(program.stderr() + doctor.stdout + doctor.stderr).not.toContain("4711");
    expect(program.stderr()).not.toMatch(/SECURITY WARNING|redis\.down/);
  }, 120_000);

  it("are not taken without that trust: which of them, and what to do, is said", async () => {
    const doctor = await runProgram(["doctor", "--json"], {
      cwd: place.folder,
      env: { ...addresses, GITHUB_WEBHOOK_SECRET: "s" },
    });
    expect(doctor.code).toBe(4);
    expect(doctor.stdout).toMatch(/certificate of PostgreSQL is not trusted.*sslrootcert=FILE/);
    expect(doctor.stdout).toMatch(/certificate of Redis is not trusted.*NODE_EXTRA_CA_CERTS/s);
    expect(doctor.stdout + doctor.stderr).not.toContain("4711");
  }, 120_000);
});
