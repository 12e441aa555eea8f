/**
 * What agents may read while they gather facts. Each destination implements its own; the worker puts the breaker and
 * the deadline around every call. A reader is null where the destination has no credentials: the agent then goes on
 * without those facts. All readers throw ServiceError. Times are milliseconds since the epoch.
 */
export interface Repository {
  readonly owner: string;
  readonly repo: string;
  readonly installationId: number | null;
}

export interface PullRequest {
  readonly number: number;
  readonly title: string;
  readonly body: string;
  readonly state: "open" | "closed";
  readonly draft: boolean;
  readonly author: string;
  readonly authorIsBot: boolean;
  readonly headRef: string;
  readonly headSha: string;
  readonly baseRef: string;
  readonly baseSha: string;
  readonly url: string;
}

export interface ChangedFile {
  readonly path: string;
  readonly previousPath: string | null;
  readonly status: string;
  readonly additions: number;
  readonly deletions: number;
  /** Unified diff hunks; null for binary, huge or merely renamed files. */
  readonly patch: string | null;
}

export interface GithubReads {
  pullRequest(repository: Repository, number: number): Promise<PullRequest>;
  /** All pages, up to GitHub's own limit of 3,000 files. */
  changedFiles(repository: Repository, number: number): Promise<ChangedFile[]>;
}

export interface LinearIssue {
  readonly id: string;
  /** `ENG-123` */
  readonly identifier: string;
  readonly title: string;
  readonly url: string;
  readonly teamId: string;
  readonly state: {
    readonly id: string;
    readonly name: string;
    readonly type: string;
  };
}

export interface LinearReads {
  issueByBranch(branch: string): Promise<LinearIssue | null>;
  /** By `ENG-123`; null when there is none. */
  issueByIdentifier(identifier: string): Promise<LinearIssue | null>;
  /** The team's workflow states in their order. */
  states(teamId: string): Promise<{ id: string; name: string; type: string; position: number }[]>;
}

export interface HubspotContact {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly company: string;
  readonly lifecycleStage: string;
}

export interface HubspotReads {
  contactByEmail(email: string): Promise<HubspotContact | null>;
}

export interface ZendeskTicket {
  readonly id: string;
  readonly subject: string;
  readonly description: string;
  readonly status: "new" | "open" | "pending" | "hold" | "solved" | "closed" | (string & {});
  readonly priority: string | null;
  readonly satisfaction: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface ZendeskReads {
  /** The newest tickets that this address requested, 50 at most, newest first. */
  ticketsOf(email: string): Promise<ZendeskTicket[]>;
  /** Open tickets that carry this tag; how a mail thread finds its ticket. */
  openTicketByTag(tag: string): Promise<ZendeskTicket | null>;
}

export interface StripeSubscription {
  readonly id: string;
  readonly customer: string;
  readonly status: string;
  readonly livemode: boolean;
  readonly cancelAtPeriodEnd: boolean;
  readonly cancelAt: number | null;
  readonly canceledAt: number | null;
  readonly currentPeriodEnd: number | null;
  readonly startedAt: number;
  readonly feedback: string | null;
  readonly comment: string | null;
  readonly reason: string | null;
  readonly plan: {
    readonly name: string;
    readonly amount: number;
    readonly currency: string;
    readonly interval: string;
  };
  readonly hasDiscount: boolean;
  readonly hasSchedule: boolean;
}

export interface StripeHistory {
  readonly customer: {
    readonly id: string;
    readonly email: string | null;
    readonly name: string;
    readonly createdAt: number;
    readonly deleted: boolean;
    readonly hasDiscount: boolean;
    readonly delinquent: boolean;
  };
  /** Newest first, 100 at most. Amounts in the currency's smallest unit. */
  readonly invoices: {
    readonly id: string;
    readonly status: string;
    readonly amountPaid: number;
    readonly currency: string;
    readonly createdAt: number;
    readonly hadDiscount: boolean;
  }[];
  readonly disputes: number;
  readonly refunds: number;
  readonly failedCharges: number;
}

export interface StripeReads {
  subscription(id: string): Promise<StripeSubscription>;
  history(customer: string): Promise<StripeHistory>;
}

/** Every destination that can be read; null where it has no credentials. */
export interface Readers {
  readonly github: GithubReads | null;
  readonly linear: LinearReads | null;
  readonly hubspot: HubspotReads | null;
  readonly zendesk: ZendeskReads | null;
  readonly stripe: StripeReads | null;
}
