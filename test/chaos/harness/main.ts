/**
 * The public ledger: nothing lost, nothing twice, whatever dies. docs/chaos.md says how to read what it prints.
 *
 *   npm run chaos -- [--seed TEXT] [--events 20000] [--kills 200] [--folder DIR] [--short]
 *                [--profile server]
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chaos } from "./chaos.ts";
import { sizeOf } from "./sizes.ts";
import { reportOf } from "./report.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    events: { type: "string" },
    kills: { type: "string" },
    folder: { type: "string" },
    profile: { type: "string", default: "embedded" },
    short: { type: "boolean", default: false },
  },
});
const { profile } = values;
if (profile !== "embedded" && profile !== "server") throw new Error("--profile is embedded or server");
const size = sizeOf(profile, values.short);
const seed = values.seed ?? randomBytes(4).toString("hex");
const folder = values.folder ?? mkdtempSync(join(tmpdir(), "signalbox-chaos-"));
const options = {
  ...size,
  seed,
  folder,
  events: values.events === undefined ? size.events : Number(values.events),
  kills: values.kills === undefined ? size.kills : Number(values.kills),
};
console.error(`seed ${seed}; ${options.events} events, ${options.kills} lives; everything is in ${folder}`);
// The service is killed with the harness that is cut short: nothing is left running.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
const began = Date.now();
const report = await chaos({ ...options, say: (line) => console.error(line) });
const { lines, ok } = reportOf(report, { profile, seed, seconds: Math.round((Date.now() - began) / 1_000) });
for (const line of lines) console.log(line);
process.exit(ok ? 0 : 1);
