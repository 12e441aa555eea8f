import path from "node:path";
import { fileURLToPath } from "node:url";
import { readFile } from "node:fs/promises";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { renderFaults } from "../../src/config/faults.ts";
import { configJsonSchema } from "../../src/config/json-schema.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { good, load } from "./bench.ts";

const shipped = await readFile(
  path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../signalbox.yaml"),
  "utf8",
);

const text = fc.string({ unit: "binary", maxLength: 200 });
const yamlish = fc
  .array(
    fc.constantFrom(
      ..."version: 1|sources|routes|destinations|slack|github|type|secrets|name|match|${A}|${A:-|$${|{|}|[|]|: |- |, |\n|\n  |\n    |\"|'|\t|*a|&a |!t|<<|__proto__|? ||\\||>|%|@|#|null|1|0x1|.inf|true|---|\r\n|\u0000|😀".split(
        "|",
      ),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(""));
const json = fc.json().map((value) => `version: 1\nsources: ${value}\nroutes: ${value}\nserver: ${value}\n`);
const damaged = fc
  .tuple(fc.nat(shipped.length), fc.nat(40), fc.oneof(yamlish, fc.string({ maxLength: 5 })))
  .map(([at, length, put]) => shipped.slice(0, at) + put + shipped.slice(at + length));

describe("whatever a file holds", () => {
  it("loading it ends in a configuration or in faults, all of them at a line of the file", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(text, yamlish, json, damaged), async (file) => {
        const result = await load(file, { env: { A: "a: {" } });
        const faults = result.ok ? result.warnings : result.faults;
        if (!result.ok) expect(faults.length).toBeGreaterThan(0);
        const lines = file.split("\n").length;
        for (const fault of faults) expect(fault.line).toBeLessThanOrEqual(lines);
        renderFaults(faults, { color: true });
      }),
      { numRuns: 100 },
    );
  });

  it("a secret that was written into it is not shown, whatever else is wrong", async () => {
    const secret = fc.stringMatching(/^[a-z0-9]{8,40}$/).map((letters) => `Zq${letters}`);
    const lines = (value: string): string[] => [
      "version: 1",
      `sources: { a: { type: stripe, secrets: [${value}] } }`,
      `models: { m: { provider: openai, model: m, apiKey: "${value}" } }`,
      `destinations:\n  hubspot: { token: ${value}, x: 1 }\n  zendesk: { tokenn: ${value} }`,
      `  email: { smtpUrl: smtp://me:${value}@mail.example, from: 1 }`,
    ];
    await fc.assert(
      fc.asyncProperty(
        secret,
        fc.nat(4),
        fc.constantFrom("", "{", '"', "\t", "]: ", "}}"),
        async (value, at, damage) => {
          const result = await load(
            `${lines(value)
              .map((line, index) => (index === at ? line + damage : line))
              .join("\n")}\n`,
          );
          expect(result.ok ? "accepted" : renderFaults(result.faults)).not.toContain(value);
          expect(result.ok).toBe(false);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("a place can be found for any path", () => {
    fc.assert(
      fc.property(fc.oneof(yamlish, text), fc.array(fc.oneof(fc.string(), fc.nat(5))), (file, at) => {
        const { line, column } = parseYaml(file, "a.yaml").positionOf(at);
        expect(line).toBeGreaterThanOrEqual(1);
        expect(column).toBeGreaterThanOrEqual(1);
      }),
    );
  });
});

describe("the JSON Schema for editors", () => {
  const schema = configJsonSchema();
  const accepts = new Ajv({ allErrors: true }).compile(schema);
  const told = (file: string): unknown => {
    accepts(parseYaml(file, "a.yaml").value);
    return accepts.errors?.map(({ instancePath, message }) => `${instancePath} ${message}`) ?? [];
  };

  it("accepts what the loader accepts, variables in place of values included", async () => {
    const files = [
      shipped,
      "version: 1\n",
      'version: 1\nserver: { port: "${P:-1}", requireHttps: "${H:-true}", publicUrl: "${U:-}" }\nretention: { events: "${E:-5m}" }\n',
      'version: 1\nsources: { a: { type: github, secrets: ["${S}"] } }\nroutes: [{ name: "${N:-n}", source: a, events: [push], agent: pr-review, mode: "${M:-auto}", match: { a: { b: [1, x], c: { $gt: "${G:-1}" } } } }]\n',
      'version: 1\ndestinations: { github: { appId: 7, privateKey: "${K}" } }\nalerts: { to: [], on: [] }\n',
    ];
    for (const file of files) {
      await good(file);
      expect(told(file)).toEqual([]);
    }
  });

  it("refuses unknown keys, wrong words and missing values", () => {
    expect(told("version: 1\nsever: {}\n")).toEqual([" must NOT have additional properties"]);
    expect(told("version: 1\nalerts: { on: [dead-leter] }\n")).not.toEqual([]);
    expect(told("version: 1\nsources: { a: { type: github } }\n")).not.toEqual([]);
    expect(told("version: 1\nserver: { port: 70000 }\n")).not.toEqual([]);
    expect(told("{}\n")).not.toEqual([]);
  });

  it("explains every key", () => {
    const bare: string[] = [];
    const walk = (node: unknown, at: string): void => {
      if (node === null || typeof node !== "object") return;
      for (const [key, value] of Object.entries(node)) {
        if (key === "properties")
          for (const [name, child] of Object.entries(value as Record<string, { description?: string }>)) {
            const optional = ["hubspot", "zendesk", "linear", "github", "stripe", "slack", "email"].includes(
              name,
            );
            if (child.description === undefined && !optional) bare.push(`${at}.${name}`);
          }
        walk(value, `${at}.${key}`);
      }
    };
    walk(schema, "");
    expect(bare).toEqual([]);
  });

  it("is draft-7 and carries no marks of ours", () => {
    expect(schema["$schema"]).toBe("http://json-schema.org/draft-07/schema#");
    expect(JSON.stringify(schema)).not.toContain('"x-');
  });
});
