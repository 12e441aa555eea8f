/**
 * The scenario again under other ids: the demo may be played any number of times on one journal, and each round is the
 * same however often it is asked for.
 */
import { sha256 } from "../domain/json.ts";
import type { SeedPullRequest } from "./github.ts";
import type { Mail } from "./gmail-messages.ts";
import type { SeedIssue } from "./linear.ts";
import { customers } from "./scenario-customers.ts";
import type { ScenarioCustomer } from "./scenario-customers.ts";
import { mails } from "./scenario-mails.ts";
import { issues, pullRequests } from "./scenario-pulls.ts";

export interface ScenarioRound {
  readonly pullRequests: readonly SeedPullRequest[];
  readonly issues: readonly SeedIssue[];
  readonly customers: readonly ScenarioCustomer[];
  readonly mails: readonly Mail[];
}

/** Issue keys and branch names of later rounds count on by hundreds, as the pull requests do. */
const shifted = (text: string, round: number): string =>
  text.replace(
    /\b(ENG|eng)-(\d+)/g,
    (_, team: string, number: string) => `${team}-${Number(number) + round * 100}`,
  );

const inRound = (address: string, round: number): string => address.replace(/@/, `.${round}@`);

/** Round 0 is the scenario itself. */
export function roundOf(round: number): ScenarioRound {
  if (round === 0) return { pullRequests, issues, customers, mails };
  return {
    pullRequests: pullRequests.map((pull) => ({
      ...pull,
      number: pull.number + round * 100,
      title: shifted(pull.title, round),
      branch: shifted(pull.branch, round),
      headSha: sha256(pull.headSha, String(round)).slice(0, 40),
    })),
    issues: issues.map((issue) => ({
      ...issue,
      identifier: shifted(issue.identifier, round),
      ...(issue.branchName === undefined ? {} : { branchName: shifted(issue.branchName, round) }),
    })),
    customers: customers.map((customer) => ({
      ...customer,
      id: `${customer.id}${round}`,
      subscription: `${customer.subscription}${round}`,
      email: inRound(customer.email, round),
    })),
    mails: mails.map((mail) => ({
      ...mail,
      from: inRound(mail.from, round),
      headers: { ...mail.headers, "Message-ID": inRound(mail.headers?.["Message-ID"] ?? "", round) },
    })),
  };
}
