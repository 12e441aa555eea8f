/** The processes of docker-compose.yml, with its commands and its environment, on servers that are started as it says. */
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deliver, signGithub } from "../../src/sandbox/senders.ts";
import { filledIn, readCompose, readEnvFile, rootFile } from "../support/compose.ts";
import type { ComposeService } from "../support/compose.ts";
import { postgresNote, postgresPresent, startPostgres } from "../support/postgres.ts";
import type { PostgresServer } from "../support/postgres.ts";
import { startProgram, temporaryFolder } from "../support/program.ts";
import type { RunningProgram } from "../support/program.ts";
import { redisNote, redisPresent, startRedis } from "../support/redis.ts";
import type { RedisServer } from "../support/redis.ts";

const { services } = readCompose();
const env = {
  ...readEnvFile(rootFile(".env.example")),
  POSTGRES_PASSWORD: "p",
  SIGNALBOX_ADMIN_TOKEN: "t".repeat(32),
  GITHUB_WEBHOOK_SECRET: "s",
};

describe.skipIf(!postgresPresent || !redisPresent)(`docker-compose.yml${postgresNote}${redisNote}`, () => {
  let postgres: PostgresServer;
  let redis: RedisServer;
  const { folder, remove } = temporaryFolder();
  const programs: RunningProgram[] = [];
  beforeAll(async () => {
    const [, ...args] = services.redis.command;
    [postgres, redis] = await Promise.all([startPostgres(), startRedis({ args })]);
    cpSync(fileURLToPath(new URL("../../prompts", import.meta.url)), join(folder, "prompts"), {
      recursive: true,
    });
  });
  afterAll(async () => {
    for (const program of programs) await program.kill();
    await Promise.all([postgres.stop(), redis.stop()]);
    remove();
  });

  /** Other names and ports than in containers, which have networks of their own; all else is what the file says. */
  const start = async ({ command, environment }: ComposeService): Promise<RunningProgram> => {
    const inContainer = JSON.parse(filledIn(JSON.stringify(environment), env)) as Record<string, string>;
    const program = await startProgram({
      folder,
      config: rootFile("signalbox.yaml"),
      args: command.slice(1),
      env: {
        ...env,
        ...inContainer,
        DATABASE_URL: (inContainer["DATABASE_URL"] ?? "").replace(
          /@postgres:5432\/.*/,
          `@127.0.0.1:${postgres.port}/postgres`,
        ),
        REDIS_URL: (inContainer["REDIS_URL"] ?? "").replace("redis:6379", `127.0.0.1:${redis.port}`),
        SIGNALBOX_HOST: "127.0.0.1",
        SIGNALBOX_ADMIN_HOST: "127.0.0.1",
        PORT: "0",
        ADMIN_PORT: "0",
      },
    });
    programs.push(program);
    return program;
  };
  const isWell = ({ healthcheck }: ComposeService, { ingestUrl, adminUrl }: RunningProgram): boolean => {
    const [, , ...args] = healthcheck.test.map((word) =>
      word.replace("http://127.0.0.1:8080", ingestUrl).replace("http://127.0.0.1:8090", adminUrl),
    );
    return spawnSync(process.execPath, args).status === 0;
  };

  it("receives in one process, works in the other, and knows that both are well", async () => {
    const [ingest, worker] = [await start(services.ingest), await start(services.worker)];
    expect([isWell(services.ingest, ingest), isWell(services.worker, worker)]).toEqual([true, true]);
    const payload = { action: "closed", number: 1, repository: { full_name: "acme/shop" } };
    const sent = await deliver(
      `${ingest.ingestUrl}/webhooks/github`,
      signGithub({ secret: "s", event: "pull_request", payload }),
    );
    expect(sent.status).toBe(200);
    const listed = await ingest.cli("events", "list", "--json");
    expect(JSON.parse(listed.stdout)).toMatchObject({ items: [{ source: "github" }] });
    await worker.kill();
    expect(isWell(services.worker, worker)).toBe(false);
    expect(await ingest.stop()).toBe(0);
  });
});
