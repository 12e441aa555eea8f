/** `reviews:` of signalbox.yaml: where people are told of held actions, and who may decide them in Slack. */
import { z } from "zod";
import { noticeTargets } from "../domain/review-notice.ts";
import { name } from "./scalars.ts";

const to = z
  .array(z.enum(noticeTargets))
  .describe(
    "auto: where the work is (a comment on the pull request, a task at the HubSpot contact, a comment on the Linear issue), else in Slack; with `slack:` below always in Slack. Each of the others, where it fits. [] for none. What has no credentials is left out. Default [slack].",
  );

const slackUser = z
  .string()
  .regex(
    /^[UW][A-Z0-9]{2,20}$/,
    "must be a Slack user id, such as `U024BE7LH` (profile → ⋮ → Copy member ID)",
  );

export const reviews = z
  .strictObject({
    to: to.default(["slack"]),
    perAgent: z
      .record(name, z.strictObject({ to }))
      .default({})
      .describe("For single agents, by their names, instead of `to`."),
    slack: z
      .strictObject({
        source: z
          .string()
          .describe(
            "The source of type slack whose app posts the notices, with Interactivity pointed at it: there the buttons arrive.",
          ),
        approvers: z
          .array(slackUser)
          .min(1, "needs at least one Slack user id: whoever is not listed can decide nothing")
          .describe("Slack user ids of those who may press Approve and Reject. Nobody else can."),
      })
      .optional()
      .describe("Approve and Reject on notices in Slack. Left out: notices there have no buttons."),
  })
  .prefault({})
  .describe("Where people are told of actions that wait for them (mode: review).");
