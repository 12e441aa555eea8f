import { writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseDuration } from "../../src/config/schema.ts";
import { faultsOf, folder, good, load } from "./bench.ts";

const slack = (channel: string): string =>
  `version: 1\ndestinations:\n  slack: { token: "\${T}", channel: ${JSON.stringify(channel)} }\n`;
const channelOf = async (channel: string, env: Record<string, string>): Promise<string | undefined> =>
  (await good(slack(channel), { env: { T: "t", ...env } })).config.destinations.slack?.channel;

describe("variables stand for values", () => {
  it("takes the variable, else the default, and treats an empty variable as unset", async () => {
    expect(await channelOf("${C}", { C: "#a" })).toBe("#a");
    expect(await channelOf("${C:-#b}", {})).toBe("#b");
    expect(await channelOf("${C:-#b}", { C: "" })).toBe("#b");
    expect(await channelOf("#${A}-${B:-c}!", { A: "x" })).toBe("#x-c!");
  });

  it("leaves an escaped variable alone, and a dollar sign that begins none", async () => {
    expect(await channelOf("$${C} costs $5", { C: "no" })).toBe("${C} costs $5");
  });

  it("does not look for variables in what a variable holds, and never reads it as YAML", async () => {
    expect(await channelOf("${C}", { C: "${T}" })).toBe("${T}");
    expect(await channelOf("${C}", { C: "a: [b, {" })).toBe("a: [b, {");
  });

  it("reads a number or a truth value where one is wanted, and only there", async () => {
    const { config } = await good(
      `version: 1
server: { port: "\${PORT:-8081}", requireHttps: "\${HTTPS}" }
sources: { github: { type: github, secrets: ["\${NUMERIC}"] } }
routes:
  - name: a
    source: github
    events: [push]
    agent: pr-review
    match: { size: { $gte: "\${MIN}", $exists: "\${HTTPS}" }, title: "\${MIN}" }
`,
      { env: { HTTPS: "true", NUMERIC: "123", MIN: "7.5" } },
    );
    expect(config.server).toMatchObject({ port: 8081, requireHttps: true });
    expect(config.sources["github"]).toMatchObject({ secrets: ["123"] });
    expect(config.routes[0]?.match).toEqual({ size: { $gte: 7.5, $exists: true }, title: "7.5" });
  });

  it("names the variable when it holds no number", async () => {
    expect(await faultsOf('version: 1\nserver: { port: "${PORT}" }\n', { env: { PORT: "tip-top" } }))
      .toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:17  \`port\` must be a whole number, not a text
       2 | server: { port: "\${PORT}" }
         |                 ^^^^^^^^^
          The value comes from PORT; correct it in the environment.
      "
    `);
  });

  it("refuses an unset variable without a default, wherever no credential is expected", async () => {
    expect(await faultsOf(slack("#${ROOM}"), { env: { T: "t" } })).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:38  ROOM is not set and has no default
       3 |   slack: { token: "\${T}", channel: "#\${ROOM}" }
         |                                      ^^^^^^^^
          Set ROOM in the environment, or write \${ROOM:-default}.
      "
    `);
    expect(await faultsOf('version: 1\nretention: { events: "${DAYS}" }\n')).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:22  DAYS is not set and has no default
       2 | retention: { events: "\${DAYS}" }
         |                      ^^^^^^^^^
          Set DAYS in the environment, or write \${DAYS:-default}.
      "
    `);
  });

  it("explains what a variable looks like", async () => {
    expect(await faultsOf(slack("#a ${not a name}"))).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:40  this is not how a variable is written
       3 |   slack: { token: "\${T}", channel: "#a \${not a name}" }
         |                                        ^^^^^^^^^^^^^^
          Write \`\${NAME}\` or \`\${NAME:-default}\`; \`$\${\` stands for a literal \`\${\`.
      "
    `);
    expect(await faultsOf(slack("${OPEN"))).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:36  this variable is not closed by \`}\`
       3 |   slack: { token: "\${T}", channel: "\${OPEN" }
         |                                    ^^^^^^^^
          Write \`\${NAME}\` or \`\${NAME:-default}\`; \`$\${\` stands for a literal \`\${\`.
      "
    `);
  });
});

describe("a variable may be read from a file", () => {
  it("takes the file that NAME_FILE names, without its last line end", async () => {
    const file = path.join(await folder(), "channel");
    await writeFile(file, "#from-file\n");
    expect(await channelOf("${C:-#b}", { C_FILE: file })).toBe("#from-file");
  });

  it("reports a file that is not there, and both being set", async () => {
    expect(await faultsOf(slack("#a"), { env: { T_FILE: "/nowhere/token" } })).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:19  the file that T_FILE names can't be read (ENOENT)
       3 |   slack: { token: "\${T}", channel: "#a" }
         |                   ^^^^^^
          Correct T_FILE in the environment, or set T.
      "
    `);
    expect(await faultsOf(slack("#a"), { env: { T: "tip-top", T_FILE: "/nowhere/token" } }))
      .toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:19  both T and T_FILE are set; keep one of them
       3 |   slack: { token: "\${T}", channel: "#a" }
         |                   ^^^^^^
          Correct T_FILE in the environment, or set T.
      "
    `);
  });

  it("reads the keys of models from files too", async () => {
    const file = path.join(await folder(), "key");
    await writeFile(file, "k\n");
    const models = "version: 1\nmodels: { main: { provider: anthropic, model: m } }\n";
    const { config } = await good(models, {
      env: { ANTHROPIC_API_KEY_FILE: file, ANTHROPIC_BASE_URL: "http://127.0.0.1:1/" },
    });
    expect(config.models["main"]).toMatchObject({ apiKey: "k", baseUrl: "http://127.0.0.1:1" });
    expect(await faultsOf(models, { env: { ANTHROPIC_API_KEY_FILE: "/nowhere/key" } }))
      .toMatchInlineSnapshot(`
      "
      signalbox.yaml  the file that ANTHROPIC_API_KEY_FILE names can't be read
        (ENOENT)
      "
    `);
  });
});

describe("parts without credentials do less, and nothing else of them is a fault", () => {
  it("keeps the places of empty secrets, and makes a source without any inactive", async () => {
    const text = 'version: 1\nsources:\n  pay: { type: stripe, secrets: ["${A}", "${B}", "${C:-}"] }\n';
    const one = await good(text, { env: { B: "b" } });
    expect(one.config.sources["pay"]).toMatchObject({ secrets: ["", "b", ""] });
    expect([...one.idle.sources]).toEqual([]);
    const none = await good(text);
    expect([...none.idle.sources]).toEqual(["pay"]);
    expect(none.warnings.at(-1)).toMatchObject({
      line: 3,
      column: 3,
      message: "source pay is inactive: A, B are not set; its requests are answered 503",
    });
  });

  it("takes a secret with its dates, and one of which only the dates are there for none", async () => {
    const text = `version: 1
sources:
  pay:
    type: stripe
    secrets:
      - { value: "\${NEW}", added: 2026-01-31, expires: 2026-12-31T09:00:00+01:00 }
      - "\${OLD}"
`;
    const both = await good(text, { env: { NEW: "n", OLD: "o" } });
    expect(both.config.sources["pay"]).toMatchObject({
      secrets: [{ value: "n", added: Date.UTC(2026, 0, 31), expires: Date.UTC(2026, 11, 31, 8) }, "o"],
    });
    const rotated = await good(text, { env: { NEW: "other", OLD: "o" } });
    expect(rotated.hash).toBe(both.hash);
    const none = await good(text);
    expect([...none.idle.sources]).toEqual(["pay"]);
    expect(none.warnings.at(-1)?.message).toMatch(/inactive: NEW, OLD are not set/);
  });

  it("makes a source inactive whose secrets have all expired, from that moment on", async () => {
    const text = `version: 1
sources:
  pay:
    type: stripe
    secrets: [{ value: "\${OLD}", expires: 2026-05-02 }, "\${NEW:-}"]
`;
    const expires = Date.UTC(2026, 4, 2);
    const before = await good(text, { env: { OLD: "o" }, now: expires - 1 });
    expect([...before.idle.sources]).toEqual([]);
    const after = await good(text, { env: { OLD: "o" }, now: expires });
    expect([...after.idle.sources]).toEqual(["pay"]);
    expect(after.warnings.at(-1)).toMatchObject({
      line: 3,
      message: "source pay is inactive: its secrets have all expired; its requests are answered 503",
    });
    expect([...(await good(text, { env: { OLD: "o", NEW: "n" }, now: expires })).idle.sources]).toEqual([]);
  });

  const mailbox = `version: 1
sources:
  inbox: { type: gmail, account: "\${ACCOUNT}", audience: "\${PUBLIC_URL}/webhooks/inbox",
           pushServiceAccount: "\${PUSH}", credentials: "\${CREDENTIALS}" }
`;
  it("needs no other variable of a source that is inactive anyway", async () => {
    expect([...(await good(mailbox)).idle.sources]).toEqual(["inbox"]);
    expect([...(await good(mailbox, { env: { PUSH: "p@x.example" } })).idle.sources]).toEqual(["inbox"]);
  });

  it("needs them once the source is active", async () => {
    const result = await load(mailbox, { env: { PUSH: "p@x.example", CREDENTIALS: "{}" } });
    expect(result.ok ? [] : result.faults.map(({ message }) => message)).toEqual([
      "ACCOUNT is not set and has no default",
      "PUBLIC_URL is not set and has no default",
    ]);
  });

  it("takes jwksUrl as another name for keySetUrl", async () => {
    const text = mailbox.replace("credentials:", "jwksUrl: https://keys.example/, credentials:");
    expect((await good(text)).config.sources["inbox"]).toMatchObject({ keySetUrl: "https://keys.example" });
  });

  it("runs a destination as dry-run while any of its credentials is missing, a GitHub App or token sufficing", async () => {
    const zendesk = 'version: 1\ndestinations: { zendesk: { subdomain: a, email: "${E}", token: "${T}" } }\n';
    expect([...(await good(zendesk, { env: { E: "e" } })).idle.destinations]).toEqual(["zendesk"]);
    expect([...(await good(zendesk, { env: { E: "e", T: "t" } })).idle.destinations]).toEqual([]);
    const github =
      'version: 1\ndestinations: { github: { appId: "${ID}", privateKey: "${KEY}", token: "${T}" } }\n';
    expect([...(await good(github, { env: { ID: "1" } })).idle.destinations]).toEqual(["github"]);
    expect([...(await good(github, { env: { T: "t" } })).idle.destinations]).toEqual([]);
    expect([...(await good(github, { env: { ID: "1", KEY: "k" } })).idle.destinations]).toEqual([]);
  });

  it("leaves decisions to the rules when a model has no key or there is no model", async () => {
    const { idle, warnings } = await good("version: 1\nmodels: { main: { provider: openai, model: m } }\n");
    expect([...idle.models]).toEqual(["main"]);
    expect(warnings[0]?.message).toBe("model main is not used: OPENAI_API_KEY is not set; the rules decide");
    expect((await good("version: 1\n")).warnings[0]?.message).toBe(
      "no model is configured: the rules decide everything",
    );
  });
});

describe("the hash of a configuration", () => {
  const hash = async (text: string, env = {}): Promise<string> => (await good(text, { env })).hash;

  it("is the same wherever a process listens, and another when it is reached elsewhere", async () => {
    const server = (words: string) => `version: 1\nserver: { ${words} }\n`;
    const one = await hash(server("port: '${P:-8080}', publicUrl: 'https://a.example'"));
    expect(
      await hash(
        server(
          "host: 127.0.0.1, adminHost: 127.0.0.1, adminPort: 1, port: '${P:-8080}', publicUrl: 'https://a.example'",
        ),
        { P: "9" },
      ),
    ).toBe(one);
    expect(await hash(server("publicUrl: 'https://b.example'"))).not.toBe(one);
  });

  it("is the same for the same meaning, whatever the layout, the comments and the secrets", async () => {
    const one = await hash(slack("#a"), { T: "t" });
    expect(await hash(`# why\n${slack("#a")}`, { T: "rotated" })).toBe(one);
    expect(await hash('destinations:\n  slack:\n    channel: "#a"\n    token: ${T}\nversion: 1\n')).toBe(one);
  });

  it("differs with what a plain variable holds", async () => {
    expect(await hash(slack("${C}"), { T: "t", C: "#a" })).not.toBe(
      await hash(slack("${C}"), { T: "t", C: "#b" }),
    );
  });
});

it("finds its prompts beside the file, or where `prompts` says", async () => {
  const beside = await good("version: 1\n");
  expect(beside.promptsFolder).toBe(path.join(path.dirname(beside.file), "prompts"));
  const elsewhere = await folder();
  expect((await good(`version: 1\nprompts: ${elsewhere}\n`)).promptsFolder).toBe(elsewhere);
});

it("reads durations as milliseconds", () => {
  expect(["500ms", "60s", "5m", "24h", "30d", "1w", "s", "1.5h", ""].map(parseDuration)).toEqual([
    500,
    60_000,
    300_000,
    86_400_000,
    2_592_000_000,
    null,
    null,
    null,
    null,
  ]);
});
