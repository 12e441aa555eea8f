/** What a subscription event means. Pure. */
import { EventFault, z } from "../../src/agent-kit.ts";

const Id = z.union([z.string(), z.object({ id: z.string() }).transform((object) => object.id)]);
const Flags = z.object({
  cancel_at_period_end: z.boolean().nullish(),
  cancel_at: z.number().nullish(),
});
const Payload = z.object({
  type: z.string(),
  data: z.object({
    object: Flags.extend({ id: z.string().min(1), customer: Id }),
    previous_attributes: Flags.nullish(),
  }),
});

export interface Trigger {
  readonly subscription: string;
  readonly customer: string;
  /** scheduled: will end. ended: has ended. recovered: a scheduled end was taken back. other: something else changed. */
  readonly change: "scheduled" | "ended" | "recovered" | "other";
}

/** Throws EventFault for what is no subscription event. */
export function triggerOf(payload: unknown): Trigger {
  const parsed = Payload.safeParse(payload);
  if (!parsed.success) {
    const fields = [...new Set(parsed.error.issues.map((issue) => issue.path.join(".") || "the body"))];
    throw new EventFault(`not a subscription event: ${fields.join(", ")} missing or of the wrong type`);
  }
  const { type, data } = parsed.data;
  const now = data.object;
  const ids = { subscription: now.id, customer: now.customer };
  if (type === "customer.subscription.deleted") return { ...ids, change: "ended" };
  const before = data.previous_attributes ?? {};
  // The portal sets either field, by the version of the API.
  const scheduled =
    (before.cancel_at_period_end === false && now.cancel_at_period_end === true) ||
    (before.cancel_at === null && typeof now.cancel_at === "number");
  if (scheduled) return { ...ids, change: "scheduled" };
  const still = now.cancel_at_period_end === true || typeof now.cancel_at === "number";
  const recovered = !still && (before.cancel_at_period_end === true || typeof before.cancel_at === "number");
  return { ...ids, change: recovered ? "recovered" : "other" };
}
