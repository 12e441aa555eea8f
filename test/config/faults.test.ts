import { describe, expect, it } from "vitest";
import { renderFaults } from "../../src/config/faults.ts";
import { closest } from "../../src/domain/closest.ts";
import { loadConfig } from "../../src/config/load.ts";
import { agents, faultsOf, folder, load } from "./bench.ts";

const sources = `version: 1
sources:
  github: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] }
`;
const route = (rest: string): string => `${sources}routes:
  - name: reviews
    source: github
    events: [pull_request.*]
    agent: pr-review
${rest}`;

describe("what is wrong in the shape is shown at its place", () => {
  it("points at the key of an unknown key, never at its value, and hides the value", async () => {
    expect(
      await faultsOf(
        "version: 1\ndestinations:\n  hubspot: { tokn: hunter2-not-for-eyes }\nserver: { prot: 1 }\n",
      ),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:14  unknown key \`tokn\`
       3 |   hubspot: { tokn: ******************** }
         |              ^^^^
          allowed: token, baseUrl, rateLimit
          did you mean: token

      signalbox.yaml:4:11  unknown key \`prot\`
       4 | server: { prot: * }
         |           ^^^^
          allowed: host, port, adminHost, adminPort, adminHosts, publicUrl, adminUrl,
            requireHttps, trustProxy, addressLists, githubMetaUrl
          did you mean: port
      "
    `);
  });

  it("hides all that is in a section whose key is unknown, from the excerpts of every fault", async () => {
    const text = await faultsOf(
      'version: "1"\ndestinations:\n  zendsk: { subdomain: hunter2, deeper: { code: hunter2 } }\n  slack: { baseUrl: 5, channel: c, pin: hunter2 }\n  linear:\n    key:\n      - hunter2\n',
    );
    expect(text).not.toContain("hunter2");
    expect(text).toContain(
      " 3 |   zendsk: { subdomain: *******, deeper: { code: ******* } }\n   |   ^^^^^^\n",
    );
    expect(text).toContain("`baseUrl` must be a text, not a number");
  });

  it("finds everything else that is wrong with a source whose type is misspelt", async () => {
    const text = await faultsOf(
      "version: 1\nsources:\n  pay: { type: strpe, secrets: [whsec_literal], secretz: 1 }\n",
    );
    expect(text).toContain("did you mean: stripe");
    expect(text).toContain("`secrets` is a secret and must not stand in the file");
    expect(text).toContain("unknown key `secretz`");
  });

  it("says what a duration and a size look like, whatever stands there", async () => {
    const text = await faultsOf(
      "version: 1\nretention: { events: 30 }\nbreakers: { openFor: }\nsources:\n  pay: { type: stripe, secrets: [], maxBody: 5 }\n",
    );
    expect(text).toContain(
      "2:22  `events` must be a duration such as `500ms`, `60s`, `5m`,\n  `24h` or `30d`",
    );
    expect(text).toContain("`openFor` has no value; it must be a duration such as");
    expect(text).toContain("`maxBody` must be a size such as");
    expect(text).not.toContain("quotes");
  });

  it("names a missing key at its section", async () => {
    expect(await faultsOf("version: 1\nsources:\n  pay: { type: stripe }\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:3  \`secrets\` is missing
       3 |   pay: { type: stripe }
         |   ^^^
          Signing secrets, as \${NAME}, or { value, added, expires }. Several while you
            rotate; empty ones are dropped. None left: inactive.
      "
    `);
  });

  it("asks for the version", async () => {
    expect(await faultsOf("server: { port: 1 }\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:1:1  \`version\` is missing
       1 | server: { port: 1 }
         | ^
          allowed: 1
      "
    `);
    expect(await faultsOf("version: 2\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:1:10  \`version\` is not one of the allowed values
       1 | version: 2
         |          ^
          allowed: 1
      "
    `);
  });

  it("says which type a value must have", async () => {
    expect(
      await faultsOf(
        "version: 1\nserver:\n  port: eighty\n  requireHttps: maybe\n  trustProxy: 10.0.0.0/8\n  host:\nroutes: none\n",
      ),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:9  \`port\` must be a whole number, not a text
       3 |   port: eighty
         |         ^^^^^^

      signalbox.yaml:4:17  \`requireHttps\` must be true or false, not a text
       4 |   requireHttps: maybe
         |                 ^^^^^

      signalbox.yaml:5:15  \`trustProxy\` must be a list, not a text
       5 |   trustProxy: 10.0.0.0/8
         |               ^^^^^^^^^^

      signalbox.yaml:6:3  \`host\` has no value; it must be a text
       6 |   host:
         |   ^^^^

      signalbox.yaml:7:9  \`routes\` must be a list, not a text
       7 | routes: none
         |         ^^^^
      "
    `);
  });

  it("gives the bounds of a number", async () => {
    expect(
      await faultsOf(
        "version: 1\nserver: { port: 70000 }\nworker: { concurrency: 0 }\nbreakers: { failures: 2.5 }\n",
      ),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:17  \`port\` must be between 0 and 65535
       2 | server: { port: 70000 }
         |                 ^^^^^

      signalbox.yaml:3:24  \`concurrency\` must be between 1 and 1000
       3 | worker: { concurrency: 0 }
         |                        ^

      signalbox.yaml:4:23  \`failures\` must be a whole number
       4 | breakers: { failures: 2.5 }
         |                       ^^^
      "
    `);
  });

  it("lists the source types and guesses the one that was meant", async () => {
    // The list grows with each provider.
    const shown = async (text: string) =>
      (await faultsOf(text)).replace(/(allowed: stripe, github, gmail)[^]*?(?=\n +did you|\n$)/, "$1, …");
    expect(await shown('version: 1\nsources:\n  pay: { type: strip, secrets: [""] }\n'))
      .toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:16  \`type\` is not one of the allowed values
       3 |   pay: { type: strip, secrets: [""] }
         |                ^^^^^
          allowed: stripe, github, gmail, …
          did you mean: stripe
      "
    `);
    expect(await shown("version: 1\nsources:\n  pay: { secrets: [] }\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:3  \`type\` is missing
       3 |   pay: { secrets: [] }
         |   ^^^
          allowed: stripe, github, gmail, …
      "
    `);
  });

  it("lists the modes and guesses the one that was meant", async () => {
    expect(await faultsOf(route("    mode: dry_run\n"))).toMatchInlineSnapshot(`
      "
      signalbox.yaml:9:11  \`mode\` is not one of the allowed values
       9 |     mode: dry_run
         |           ^^^^^^^
          allowed: auto, review, dry-run
          did you mean: dry-run
      "
    `);
  });

  it("explains how durations are written", async () => {
    expect(
      await faultsOf(
        "version: 1\nretention: { events: 30 days }\nlimits: { parkFor: 9999d }\nbreakers: { openFor: 0s }\n",
      ),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:22  \`events\` must be a duration such as \`500ms\`, \`60s\`, \`5m\`,
        \`24h\` or \`30d\`
       2 | retention: { events: 30 days }
         |                      ^^^^^^^

      signalbox.yaml:3:20  \`parkFor\` must be between \`1ms\` and \`3650d\`
       3 | limits: { parkFor: 9999d }
         |                    ^^^^^

      signalbox.yaml:4:22  \`openFor\` must be between \`1ms\` and \`3650d\`
       4 | breakers: { openFor: 0s }
         |                      ^^
      "
    `);
  });

  it("explains names, addresses and empty lists", async () => {
    expect(
      await faultsOf(`version: 1
server: { publicUrl: "ftp://files.acme.example" }
sources:
  My_Hook: { type: stripe, secrets: [] }
destinations:
  slack: { token: "", channel: "", baseUrl: "https://user:pw@slack.example" }
`),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:22  \`publicUrl\` must be a URL with http:// or https://, without
        a user or password
       2 | server: { publicUrl: "ftp://files.acme.example" }
         |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^

      signalbox.yaml:4:3  the name \`My_Hook\` must be made of a-z, 0-9 and \`-\`, and
        start with a letter or digit
       4 |   My_Hook: { type: stripe, secrets: [] }
         |   ^^^^^^^

      signalbox.yaml:6:32  \`channel\` must not be empty
       6 |   slack: { token: "", channel: "", baseUrl: "https://[redacted]@slack.exam…
         |                                ^^

      signalbox.yaml:6:45  \`baseUrl\` must be a URL with http:// or https://, without a
        user or password
       6 |   slack: { token: "", channel: "", baseUrl: "https://[redacted]@slack.exam…
         |                                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      "
    `);
  });

  it("explains the patterns of match", async () => {
    expect(
      await faultsOf(
        route(`    match:
      amount: { $gtee: 5 }
      currency: { $in: usd }
      total: { $gte: many }
      user: { $exists: true, login: x }
      labels: []
      nothing: {}
`),
      ),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:10:17  unknown operator \`$gtee\`
       10 |       amount: { $gtee: 5 }
          |                 ^^^^^
          allowed: $gte, $gt, $lte, $lt, $ne, $in, $exists, $startsWith, $endsWith,
            $contains
          did you mean: $gte

      signalbox.yaml:11:24  \`$in\` wants a list of plain values
       11 |       currency: { $in: usd }
          |                        ^^^

      signalbox.yaml:12:22  \`$gte\` wants a number
       12 |       total: { $gte: many }
          |                      ^^^^

      signalbox.yaml:13:30  operators and fields can't be mixed: \`login\` stands beside
        \`$exists\`
       13 |       user: { $exists: true, login: x }
          |                              ^^^^^

      signalbox.yaml:14:7  a list means “one of” and holds at least one plain value
       14 |       labels: []
          |       ^^^^^^

      signalbox.yaml:15:7  an empty pattern says nothing; use \`{ $exists: true }\`
       15 |       nothing: {}
          |       ^^^^^^^
      "
    `);
    expect(await faultsOf(route("    match: { $gte: 5 }\n"))).toMatchInlineSnapshot(`
      "
      signalbox.yaml:9:14  an operator belongs under a field, such as \`amount: { $gte:
        5000 }\`
       9 |     match: { $gte: 5 }
         |              ^^^^
      "
    `);
  });
});

describe("what a section lacks", () => {
  it("is told key by key, at the place where the section begins", async () => {
    const faults = await faultsOf("version: 1\nsources: { inbox: { type: gmail } }\nroutes: [{ name: a }]\n");
    expect(faults.match(/^signalbox\.yaml:.+$/gm)).toEqual([
      "signalbox.yaml:2:12  `account` is missing",
      "signalbox.yaml:2:12  `audience` is missing",
      "signalbox.yaml:2:12  `pushServiceAccount` is missing",
      "signalbox.yaml:2:12  `credentials` is missing",
      "signalbox.yaml:3:10  `source` is missing",
      "signalbox.yaml:3:10  `events` is missing",
      "signalbox.yaml:3:10  `agent` is missing",
    ]);
  });

  it("may be no more than the brackets of a list, which no variable can bring", async () => {
    const text = 'version: 1\nsources: { pay: { type: stripe, secrets: "${A}" } }\n';
    expect(await faultsOf(text, { env: { A: "whsec_x" } })).toMatch(
      /`secrets` must be a list, not a text[\s\S]*put it in brackets, as a list of one/,
    );
  });
});

describe("what contradicts itself is shown at its place", () => {
  it("finds unknown sources and agents, and a name given twice", async () => {
    expect(
      await faultsOf(`${route("")}  - name: reviews
    source: gihub
    events: [push]
    agent: pr-reviewer
`),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:9:11  the route of line 5 has this name too
       9 |   - name: reviews
         |           ^^^^^^^
          Give each route a name of its own.

      signalbox.yaml:10:13  there is no source \`gihub\`
       10 |     source: gihub
          |             ^^^^^
          allowed: github
          did you mean: github
          Add it under \`sources:\`, or name one of those.

      signalbox.yaml:12:12  there is no agent \`pr-reviewer\`
       12 |     agent: pr-reviewer
          |            ^^^^^^^^^^^
          allowed: email-triage, churn-intervention, pr-review
          did you mean: pr-review
          An agent is named as its file in prompts/ is.
      "
    `);
  });

  it("says so when there is no source at all", async () => {
    expect(
      await faultsOf("version: 1\nroutes: [{ name: a, source: github, events: [push], agent: pr-review }]\n"),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:29  there is no source \`github\`
       2 | routes: [{ name: a, source: github, events: [push], agent: pr-review }]
         |                             ^^^^^^
          allowed: none is configured
          Add it under \`sources:\`, or name one of those.
      "
    `);
  });

  it("points into a CEL expression", async () => {
    const checkExpression = (text: string) =>
      text.includes("pay.load")
        ? { message: "unknown variable `pay`", column: text.indexOf("pay.load") + 1 }
        : null;
    expect(
      await faultsOf(route(`    if: "1 == 1 && pay.load"\n    concurrency: { key: pay.load }\n`), {
        checkExpression,
      }),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:9:20  this expression can't be used: unknown variable \`pay\`
       9 |     if: "1 == 1 && pay.load"
         |                    ^^^^^^^^^
          allowed: CEL over \`payload\` (the body) and \`event\` (id, source, type,
            receivedAt)

      signalbox.yaml:10:25  this expression can't be used: unknown variable \`pay\`
       10 |     concurrency: { key: pay.load }
          |                         ^^^^^^^^
          allowed: CEL over \`payload\` (the body) and \`event\` (id, source, type,
            receivedAt)
      "
    `);
  });

  it("keeps the outline of what happened for as long as things are to happen only once", async () => {
    expect(await faultsOf("version: 1\nretention: { history: 399d }\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:23  \`history\` must be at least \`400d\`: it is what makes things
        happen only once
       2 | retention: { history: 399d }
         |                       ^^^^
      "
    `);
  });

  it("finds alerts to a destination that is not there, and one that can't take alerts", async () => {
    expect(await faultsOf("version: 1\nalerts: { to: [slack, hubspot], on: [dead-leter] }\n"))
      .toMatchInlineSnapshot(`
        "
        signalbox.yaml:2:16  alerts go to \`slack\`, which is not under \`destinations:\`
         2 | alerts: { to: [slack, hubspot], on: [dead-leter] }
           |                ^^^^^
            Add \`slack:\` under \`destinations:\`, or take it out of the list.

        signalbox.yaml:2:23  \`to[1]\` is not one of the allowed values
         2 | alerts: { to: [slack, hubspot], on: [dead-leter] }
           |                       ^^^^^^^
            allowed: slack, email

        signalbox.yaml:2:38  \`on[0]\` is not one of the allowed values
         2 | alerts: { to: [slack, hubspot], on: [dead-leter] }
           |                                      ^^^^^^^^^^
            allowed: dead-letter, breaker-open, source-silent, fallback-rate,
              action-cap, spend-cap, journal
            did you mean: dead-letter
        "
      `);
  });

  it("finds addresses without an @, a port given twice, and a folder that is not there", async () => {
    expect(
      await faultsOf(
        `version: 1
prompts: ./promts
server: { port: 9000, adminPort: 9000 }
sources:
  inbox:
    type: gmail
    account: support
    audience: a
    pushServiceAccount: push@acme.example
    credentials: "\${C}"
    keySetUrl: https://a.example
    jwksUrl: https://b.example
destinations:
  zendesk: { subdomain: acme.zendesk.com, email: "\${E}", token: "\${T}" }
  email: { smtpUrl: "smtp://localhost:1025", from: Acme }
`,
        { env: { C: "c", E: "e", T: "t" } },
      ).then((text) => text.replaceAll(/\S*signalbox-config-\w+/g, "FOLDER")),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:10  there is no such folder
       2 | prompts: ./promts
         |          ^^^^^^^^
          Create promts, or correct the path.

      signalbox.yaml:3:34  \`adminPort\` and \`port\` are the same; each needs a port of
        its own
       3 | server: { port: 9000, adminPort: 9000 }
         |                                  ^^^^

      signalbox.yaml:7:14  \`account\` must be the mailbox's address, such as
        support@acme.example
       7 |     account: support
         |              ^^^^^^^

      signalbox.yaml:12:5  \`jwksUrl\` is another name for \`keySetUrl\`
       12 |     jwksUrl: https://b.example
          |     ^^^^^^^
          Keep one of the two.

      signalbox.yaml:14:25  \`subdomain\` must be the first word of your Zendesk address
       14 |   zendesk: { subdomain: acme.zendesk.com, email: "\${E}", token: "\${T}" }
          |                         ^^^^^^^^^^^^^^^^
          allowed: \`acme\` for acme.zendesk.com

      signalbox.yaml:15:52  \`from\` must hold a mail address
       15 |   email: { smtpUrl: "*********************", from: Acme }
          |                                                    ^^^^
          allowed: \`hello@acme.example\` or \`Acme <hello@acme.example>\`
      "
    `);
  });
});

describe("a secret never stands in the file, and is never shown", () => {
  it("refuses literals in every secret field and shows none of them", async () => {
    const text = await faultsOf(`version: 1
sources:
  pay:
    type: stripe
    secrets:
      - tip-top-one
      - "\${NEW:-tip-top-two}"
models:
  main: { provider: openai, model: m, apiKey: tip-top-three }
destinations:
  hubspot: { token: "tip-top-\${X:-four}" }
  github:
    appId: 7
    privateKey: |
      tip-top-five
      tip-top-six
  email: { smtpUrl: "smtp://mailer:tip-top-seven@mail.acme.example", from: a@b.example }
`);
    expect(text).not.toMatch(/tip-top|four/);
    expect(text).toMatchInlineSnapshot(`
      "
      signalbox.yaml:6:9  \`secrets\` is a secret and must not stand in the file
       6 |       - ***********
         |         ^^^^^^^^^^^
          Write "\${PAY_SECRET}" here and set PAY_SECRET in the environment (or
            PAY_SECRET_FILE to a file that holds it).

      signalbox.yaml:7:9  \`secrets\` is a secret and must not stand in the file
       7 |       - "*{****************}"
         |         ^^^^^^^^^^^^^^^^^^^^^
          Write "\${PAY_SECRET_2}" here and set PAY_SECRET_2 in the environment (or
            PAY_SECRET_2_FILE to a file that holds it).

      signalbox.yaml:9:47  \`apiKey\` is a secret and must not stand in the file
       9 |   main: { provider: openai, model: m, apiKey: ************* }
         |                                               ^^^^^^^^^^^^^
          Write "\${MAIN_API_KEY}" here and set MAIN_API_KEY in the environment (or
            MAIN_API_KEY_FILE to a file that holds it).

      signalbox.yaml:11:21  \`token\` is a secret and must not stand in the file
       11 |   hubspot: { token: "*********{*******}" }
          |                     ^^^^^^^^^^^^^^^^^^^^
          Write "\${HUBSPOT_TOKEN}" here and set HUBSPOT_TOKEN in the environment (or
            HUBSPOT_TOKEN_FILE to a file that holds it).

      signalbox.yaml:14:17  \`privateKey\` is a secret and must not stand in the file
       14 |     privateKey: *
          |                 ^
          Write "\${GITHUB_PRIVATE_KEY}" here and set GITHUB_PRIVATE_KEY in the
            environment (or GITHUB_PRIVATE_KEY_FILE to a file that holds it).

      signalbox.yaml:17:21  \`smtpUrl\` is a secret and must not stand in the file
       17 |   email: { smtpUrl: "*********************************************", from…
          |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          Write "\${EMAIL_SMTP_URL}" here and set EMAIL_SMTP_URL in the environment (or
            EMAIL_SMTP_URL_FILE to a file that holds it).
      "
    `);
  });

  it("takes a mail server without a password, and one whose password comes from the environment", async () => {
    for (const smtpUrl of [
      "smtp://localhost:1025",
      "smtp://mailer@mail.acme.example",
      "smtp://mailer:${SMTP_PASSWORD}@mail.acme.example",
      "${SMTP_URL:-smtp://localhost:1025}",
    ]) {
      const result = await load(
        `version: 1\ndestinations:\n  email: { smtpUrl: "${smtpUrl}", from: a@b.example }\n`,
      );
      expect([smtpUrl, result.ok]).toEqual([smtpUrl, true]);
    }
  });

  it("says what is wrong with a secret's dates, and hides a literal beside them", async () => {
    const text = await faultsOf(`version: 1
sources:
  pay:
    type: stripe
    secrets:
      - { value: tip-top-one, added: 2026-02-31 }
      - { value: "\${A}", expires: tomorrow, aded: 2026-01-01 }
      - { added: 2026-01-01 }
      - 17
`);
    expect(text).not.toContain("tip-top");
    expect(text).toMatchInlineSnapshot(`
      "
      signalbox.yaml:6:18  \`secrets\` is a secret and must not stand in the file
       6 |       - { value: ***********, added: 2026-02-31 }
         |                  ^^^^^^^^^^^
          Write "\${PAY_SECRET}" here and set PAY_SECRET in the environment (or
            PAY_SECRET_FILE to a file that holds it).

      signalbox.yaml:6:38  \`added\` must be a date that exists
       6 |       - { value: ***********, added: 2026-02-31 }
         |                                      ^^^^^^^^^^

      signalbox.yaml:7:35  \`expires\` must be a date such as \`2026-12-31\`, or a time
        such as \`2026-12-31T09:00:00Z\`
       7 |       - { value: "\${A}", expires: tomorrow, aded: ********** }
         |                                   ^^^^^^^^

      signalbox.yaml:7:45  unknown key \`aded\`
       7 |       - { value: "\${A}", expires: tomorrow, aded: ********** }
         |                                             ^^^^
          allowed: value, added, expires
          did you mean: added

      signalbox.yaml:8:9  \`value\` is missing
       8 |       - { added: 2026-01-01 }
         |         ^
          The secret itself, as \${NAME}.

      signalbox.yaml:9:9  \`secrets\` is a secret and must not stand in the file
       9 |       - **
         |         ^^
          Write "\${PAY_SECRET_4}" here and set PAY_SECRET_4 in the environment (or
            PAY_SECRET_4_FILE to a file that holds it).
      "
    `);
  });

  it("hides secrets on the line of a syntax error", async () => {
    const text = await faultsOf('version: 1\nhubspot: { token: tip-top-one, other: "x }\n');
    expect(text).not.toContain("tip-top");
  });

  it("does not repeat what a variable holds", async () => {
    const text = await faultsOf(
      route('    mode: "${MODE}"\n').replace("source: github", 'source: "${SOURCE}"'),
      {
        env: { MODE: "tip-top-one", SOURCE: "tip-top-two" },
      },
    );
    expect(text).not.toContain("tip-top");
    expect(text).toMatchInlineSnapshot(`
      "
      signalbox.yaml:6:13  SOURCE names no source
       6 |     source: "\${SOURCE}"
         |             ^^^^^^^^^^^
          allowed: github
          Add it under \`sources:\`, or name one of those.

      signalbox.yaml:9:11  \`mode\` is not one of the allowed values
       9 |     mode: "\${MODE}"
         |           ^^^^^^^^^
          allowed: auto, review, dry-run
          The value comes from MODE; correct it in the environment.
      "
    `);
  });
});

describe("YAML that can't be read is explained", () => {
  it("says to quote a variable inside braces, for all of them at once", async () => {
    expect(await faultsOf("version: 1\nserver: { port: ${PORT}, adminPort: ${ADMIN:-1} }\nx: [ ${A}/b ]\n"))
      .toMatchInlineSnapshot(`
        "
        signalbox.yaml:2:17  a variable inside \`{ … }\` or \`[ … ]\` must stand in quotes
         2 | server: { port: \${PORT}, adminPort: \${ADMIN:-1} }
           |                 ^^^^^^^
            Write "\${PORT}": without quotes YAML reads its brace as a map.

        signalbox.yaml:2:37  a variable inside \`{ … }\` or \`[ … ]\` must stand in quotes
         2 | server: { port: \${PORT}, adminPort: \${ADMIN:-1} }
           |                                     ^^^^^^^^^^^
            Write "\${ADMIN:-1}": without quotes YAML reads its brace as a map.

        signalbox.yaml:3:6  a variable inside \`{ … }\` or \`[ … ]\` must stand in quotes
         3 | x: [ \${A}/b ]
           |      ^^^^
            Write "\${A}": without quotes YAML reads its brace as a map.
        "
      `);
  });

  it("finds keys that stand twice", async () => {
    expect(await faultsOf("version: 1\nserver: { port: 1, port: 2 }\nversion: 1\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:20  this key stands here twice
       2 | server: { port: 1, port: 2 }
         |                    ^
          Keep one of the two.

      signalbox.yaml:3:1  this key stands here twice
       3 | version: 1
         | ^
          Keep one of the two.
      "
    `);
  });

  it("finds tabs, bad indentation, open quotes, and second documents", async () => {
    expect(await faultsOf("version: 1\nserver:\n\tport: 1\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:1  a tab can't indent
       3 |  port: 1
         | ^
          Use spaces.
      "
    `);
    expect(await faultsOf("version: 1\nserver:\n    port: 1\n  host: a\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:4:1  the indentation fits no block above
       4 |   host: a
         | ^
          Align it with its neighbours.
      "
    `);
    expect(await faultsOf('version: "1\nserver: {}\n')).toMatchInlineSnapshot(`
      "
      signalbox.yaml:1:10  this quote is never closed
       1 | version: "1
         |          ^
          Close it at the end of the text.
      "
    `);
    expect(await faultsOf("version: 1\n---\nversion: 1\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:1  a second document (\`---\`) begins here
       2 | ---
         | ^^^
          Keep one document in the file.
      "
    `);
    expect(await faultsOf("version: 1\nprompts: a: b\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:2:10  two \`key: value\` on one line
       2 | prompts: a: b
         |          ^
          Put the text in quotes, or start a new line.
      "
    `);
  });

  it("finds aliases that multiply, that contain themselves, or that mean nothing", async () => {
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [before, name] of ["ab", "bc", "cd", "de"].map((pair) => [...pair]))
      bomb.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(", ")}]`);
    expect(await faultsOf(`${bomb.join("\n")}\n`)).toMatchInlineSnapshot(`
      "
      signalbox.yaml:5:40  the aliases of this file expand to more than 100 copies
       5 | e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]
         |                                        ^^
          Write the values out instead of using aliases.
      "
    `);
    expect(await faultsOf("version: &v [*v]\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:1:14  this alias contains itself
       1 | version: &v [*v]
         |              ^^
          Write the values out instead of using aliases.
      "
    `);
    expect(await faultsOf("version: *nobody\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:1:10  this alias refers to an anchor (\`&name\`) that does not come
        before it
       1 | version: *nobody
         |          ^^^^^^^
          Write the values out instead of using aliases.
      "
    `);
  });

  it("refuses tags, merge keys and __proto__", async () => {
    expect(await faultsOf("version: !!js/function 1\n<<: { a: 1 }\n__proto__: { a: 1 }\n"))
      .toMatchInlineSnapshot(`
        "
        signalbox.yaml:1:10  tags (\`!name\`) are not used here
         1 | version: !!js/function 1
           |          ^^^^^^^^^^^^^

        signalbox.yaml:2:1  merge keys (\`<<\`) are not used here
         2 | <<: { a: 1 }
           | ^^
            Write the keys out.

        signalbox.yaml:3:1  \`__proto__\` can't be a key
         3 | __proto__: { a: 1 }
           | ^^^^^^^^^
        "
      `);
  });

  it("survives a file that is nested a hundred thousand deep", async () => {
    expect(await faultsOf("[".repeat(100_000))).toMatchInlineSnapshot(`
      "
      signalbox.yaml  nested too deeply to be read
          Nest it less deeply.
      "
    `);
  });

  it("says what a file without sections lacks", async () => {
    expect(await faultsOf("# nothing\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml  the file is empty
          Fill it with \`signalbox init\`, or begin with \`version: 1\`.
      "
    `);
    expect(await faultsOf("just text\n")).toMatchInlineSnapshot(`
      "
      signalbox.yaml:1:1  a configuration is made of sections, such as \`version: 1\`
        and \`sources:\`
       1 | just text
         | ^
      "
    `);
  });
});

describe("a configuration that is not there", () => {
  const told = async (options: { file?: string; env?: Record<string, string> }): Promise<string> => {
    const cwd = await folder();
    const result = await loadConfig({
      cwd,
      env: {},
      agents,
      now: 0,
      checkExpression: () => null,
      ...options,
    });
    return result.ok ? "" : renderFaults(result.faults).replaceAll(cwd, "/home/me").replaceAll(/\n\s*/g, " ");
  };

  it("says where it looked and how to make one", async () => {
    expect(await told({})).toMatchInlineSnapshot(
      `"signalbox.yaml  no configuration: there is no signalbox.yaml in /home/me Make one with \`signalbox init\`, name one with --config FILE, or try \`signalbox demo\`."`,
    );
  });

  it("says who named the file", async () => {
    expect(await told({ file: "other.yaml" })).toMatchInlineSnapshot(
      `"other.yaml  there is no such file; looked for /home/me/other.yaml, as --config says Correct the path, or make a configuration with \`signalbox init\`."`,
    );
    expect(await told({ env: { SIGNALBOX_CONFIG: "env.yaml" } })).toMatchInlineSnapshot(
      `"env.yaml  there is no such file; looked for /home/me/env.yaml, as SIGNALBOX_CONFIG says Correct the path, or make a configuration with \`signalbox init\`."`,
    );
    expect(await told({ file: "." })).toMatchInlineSnapshot(
      `"/home/me  this is a folder; name the file in it Try --config /home/me/signalbox.yaml."`,
    );
  });
});

describe("the text of faults", () => {
  it("comes in the order of the file, all at once", async () => {
    const result = await load("version: 3\nserver: { port: x }\nrouts: []\nretention: { events: 1 }\n");
    expect(result.ok ? [] : result.faults.map(({ line }) => line)).toEqual([1, 2, 3, 4]);
  });

  it("keeps within 80 columns and the caret in view, however long the line", async () => {
    const filler = Array.from({ length: 30 }, (_, index) => `a.b${index}`).join(", ");
    const text = await faultsOf(
      `version: 1\nroutes: [{ name: n, source: s, events: [${filler}], agent: nobody, mode: atuo }]\n`,
    );
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    const lines = text.split("\n");
    const caret = lines.findIndex((line) => line.endsWith("^^^^") && !line.includes("^^^^^"));
    expect(lines[caret - 1]?.slice((lines[caret] ?? "").indexOf("^")).startsWith("atuo")).toBe(true);
  });

  it("is coloured only when asked", () => {
    const fault = { file: "a.yaml", line: 1, column: 2, message: "wrong" };
    expect(renderFaults([fault])).toBe("a.yaml:1:2  wrong");
    expect(renderFaults([fault], { color: true })).toBe("\u001b[1ma.yaml:1:2\u001b[22m  wrong");
  });

  it("guesses only what a slip of the fingers explains", () => {
    expect(closest("gihub", ["github", "gitlab"])).toBe("github");
    expect(closest("reveiw", ["auto", "review", "dry-run"])).toBe("review");
    expect(closest("Auto", ["auto"])).toBe("auto");
    expect(closest("xyz", ["auto", "review"])).toBeUndefined();
    expect(closest("a", ["b"])).toBeUndefined();
  });
});

describe("reviews that nobody could be told of, or that nobody could decide", () => {
  it("are faults at their places", async () => {
    expect(
      await faultsOf(`version: 1
sources:
  chat: { type: slack, secrets: ["\${SLACK_SIGNING_SECRET}"] }
  hub: { type: github, secrets: ["\${GITHUB_WEBHOOK_SECRET}"] }
reviews:
  to: [slack, email]
  perAgent: { pr-revue: { to: [github] } }
  slack: { source: hub, approvers: [] }
`),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:6:8  notices go to \`slack\`, which is not under \`destinations:\`
       6 |   to: [slack, email]
         |        ^^^^^
          Add \`slack:\` under \`destinations:\`, or take it out of the list.

      signalbox.yaml:6:15  \`to[1]\` is not one of the allowed values
       6 |   to: [slack, email]
         |               ^^^^^
          allowed: auto, slack, github, hubspot, linear

      signalbox.yaml:7:15  there is no agent \`pr-revue\`
       7 |   perAgent: { pr-revue: { to: [github] } }
         |               ^^^^^^^^
          allowed: email-triage, churn-intervention, pr-review
          did you mean: pr-review
          An agent is named as its file in prompts/ is.

      signalbox.yaml:7:32  notices go to \`github\`, which is not under \`destinations:\`
       7 |   perAgent: { pr-revue: { to: [github] } }
         |                                ^^^^^^
          Add \`github:\` under \`destinations:\`, or take it out of the list.

      signalbox.yaml:8:3  the buttons come with notices in Slack, which is not under
        \`destinations:\`
       8 |   slack: { source: hub, approvers: [] }
         |   ^^^^^
          Add \`slack:\` under \`destinations:\`, with the bot token of the same app.

      signalbox.yaml:8:20  there is no source of type slack \`hub\`
       8 |   slack: { source: hub, approvers: [] }
         |                    ^^^
          allowed: chat
          Add one under \`sources:\`.

      signalbox.yaml:8:25  \`approvers\` needs at least one Slack user id: whoever is
        not listed can decide nothing
       8 |   slack: { source: hub, approvers: [] }
         |                         ^^^^^^^^^
      "
    `);
    expect(
      await faultsOf(`version: 1
reviews:
  to: [slack]
  slack: { source: chat, approvers: ["@ada"], approver: [U024BE7LH] }
`),
    ).toMatchInlineSnapshot(`
      "
      signalbox.yaml:3:8  notices go to \`slack\`, which is not under \`destinations:\`
       3 |   to: [slack]
         |        ^^^^^
          Add \`slack:\` under \`destinations:\`, or take it out of the list.

      signalbox.yaml:4:3  the buttons come with notices in Slack, which is not under
        \`destinations:\`
       4 |   slack: { source: chat, approvers: ["@ada"], approver: [*********] }
         |   ^^^^^
          Add \`slack:\` under \`destinations:\`, with the bot token of the same app.

      signalbox.yaml:4:20  there is no source of type slack \`chat\`
       4 |   slack: { source: chat, approvers: ["@ada"], approver: [*********] }
         |                    ^^^^
          allowed: none is configured
          Add one under \`sources:\`.

      signalbox.yaml:4:38  \`approvers[0]\` must be a Slack user id, such as \`U024BE7LH\`
        (profile → ⋮ → Copy member ID)
       4 |   slack: { source: chat, approvers: ["@ada"], approver: [*********] }
         |                                      ^^^^^^

      signalbox.yaml:4:47  unknown key \`approver\`
       4 |   slack: { source: chat, approvers: ["@ada"], approver: [*********] }
         |                                               ^^^^^^^^
          allowed: source, approvers
          did you mean: approvers
      "
    `);
  });
});
