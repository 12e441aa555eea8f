/** What a notice of held actions needs to know of the configuration. */

/** Where a notice can be posted: destinations that people work in. */
export const noticePlaces = ["slack", "github", "hubspot", "linear"] as const;
export type NoticePlace = (typeof noticePlaces)[number];
/** auto: the one place that fits the work best. */
export const noticeTargets = ["auto", ...noticePlaces] as const;

export interface ReviewSettings {
  to(agent: string): readonly (typeof noticeTargets)[number][];
  /** Those that have their credentials: nobody is told by what would only be recorded. */
  readonly places: readonly NoticePlace[];
  /** Where the dashboard is for people; null when it is not said. */
  readonly adminUrl: string | null;
  /** The buttons in Slack; null when there are none. */
  readonly slack: {
    readonly source: string;
    /** Slack user ids of those who may press them. */
    readonly approvers: readonly string[];
  } | null;
}
