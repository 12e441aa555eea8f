/** How good the decisions are, and what a change of them would change. */
import { Option } from "commander";
import type { Command } from "commander";
import type { Parts } from "./parts.ts";

export function addEvaluating(program: Command, { does }: Parts): void {
  program
    .command("eval")
    .description("score rules and models on the cases in prompts/evals; 100 below the threshold")
    .argument("[agent]", "this agent's cases; without it, those of all agents")
    .addOption(
      new Option("--with <who>", "who decides; without it, both where a model can be asked").choices([
        "rules",
        "model",
        "both",
      ]),
    )
    .option("--cases <dir>", "a folder with one folder of cases for each agent")
    .option("--tag <tag>", "only cases with this tag")
    .option("--threshold <share>", "the accuracy asked for, 0 to 1; else that of the cases")
    .option("--baseline <file>", "compare with saved results")
    .option("--save-baseline <file>", "save the results to compare with later")
    .option("--record <dir>", "keep what models answer")
    .option("--replay <dir>", "take recorded answers instead of asking; needs no key")
    .option("--resume", "go on with what an evaluation that was broken off had asked")
    .option("--junit <file>", "write the results as JUnit XML")
    .option("--from-reviews <dir>", "write cases of what reviewers edited and rejected, instead")
    .option("--since <time>", "with --from-reviews, from: 24h, 30d (the default), or a time")
    .option("--failures <count>", "how many cases that fail to list for each; or all", "5")
    .action(
      does(async (context, agent: string | undefined, options: { failures: string }) =>
        (await import("../eval.ts")).evaluate(context, agent, options),
      ),
    );
  program
    .command("backtest")
    .description("what stored events would come to today, or with an edited prompt; acts on nothing")
    .option("--since <time>", "from: 24h, 7d, or 2026-11-24T08:00:00Z", "7d")
    .option("--until <time>", "to, in the same forms")
    .option("--source <name>", "events of this source")
    .option("--type <type>", "events of this type")
    .option("--agent <name>", "runs of this agent")
    .option("--prompt <file>", "a prompt file to use instead of its agent's")
    .addOption(
      new Option("--with <who>", "who decides; without it, a model where one can be asked").choices([
        "rules",
        "model",
      ]),
    )
    .option("--limit <count>", "how many events, the newest", "200")
    .option("--record <dir>", "keep what models answer")
    .option("--replay <dir>", "take recorded answers instead of asking")
    .option("-y, --yes", "do not ask before a model is called")
    .action(
      does(async (context, options: { since: string; limit: string }) =>
        (await import("../backtest.ts")).backtest(context, options),
      ),
    );
}
