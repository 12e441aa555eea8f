/** GitHub's record of webhook deliveries: of the App, and the same of every repository's or organisation's hook. */
import { asNumber } from "./bodies.ts";
import type { Answer, Call, Handler, Route } from "./call.ts";
import { isoTime, textOf } from "./call.ts";
import type { Context, Delivery } from "./github-context.ts";
import { failure } from "./github-context.ts";

export function deliveryRoutes(context: Context): Route[] {
  const { state } = context;
  const one =
    (answer: (delivery: Delivery) => Answer): Handler =>
    (call) => {
      const delivery = state.deliveries.find(({ id }) => String(id) === call.params["id"]);
      return delivery ? answer(delivery) : failure(404, "Not Found");
    };
  return ["/app/hook", "/repos/:owner/:repo/hooks/:hook", "/orgs/:org/hooks/:hook"].flatMap(
    (hook): Route[] => [
      ["GET", `${hook}/deliveries`, (call) => listed(context, call)],
      ["GET", `${hook}/deliveries/:id`, one((delivery) => ({ status: 200, json: whole(delivery) }))],
      [
        "POST",
        `${hook}/deliveries/:id/attempts`,
        one(({ id }) => {
          state.redelivered.push(id);
          return { status: 202, json: {} };
        }),
      ],
    ],
  );
}

/** Newest first, paged by a cursor: the id that the page begins with. */
function listed({ state, base }: Context, call: Call): Answer {
  const size = Math.min(100, Math.max(1, asNumber(call.query["per_page"]) ?? 30));
  const cursor = textOf(call, "cursor");
  const start = cursor === undefined ? 0 : state.deliveries.findIndex(({ id }) => String(id) === cursor);
  if (start < 0) return failure(422, "Invalid cursor");
  const next = state.deliveries[start + size];
  const query = new URLSearchParams({ per_page: String(size), cursor: String(next?.id ?? "") });
  return {
    status: 200,
    json: state.deliveries.slice(start, start + size).map(item),
    ...(next ? { headers: { link: `<${base()}${call.path}?${query.toString()}>; rel="next"` } } : {}),
  };
}

const item = (delivery: Delivery) => ({
  id: delivery.id,
  guid: delivery.guid,
  delivered_at: isoTime(delivery.at),
  redelivery: false,
  duration: 0.1,
  status: delivery.statusCode >= 200 && delivery.statusCode < 300 ? "OK" : "Invalid HTTP Response",
  status_code: delivery.statusCode,
  event: delivery.event,
  action: delivery.action,
  installation_id: 1,
  repository_id: 1,
  throttled_at: null,
});

const whole = (delivery: Delivery) => ({
  ...item(delivery),
  url: "https://signalbox.example/webhooks/github",
  request: {
    headers: {
      "X-GitHub-Event": delivery.event,
      "X-GitHub-Delivery": delivery.guid,
      "X-GitHub-Hook-ID": "1",
      "Content-Type": "application/json",
    },
    payload: delivery.payload === undefined ? { action: delivery.action } : delivery.payload,
  },
  response: { headers: {}, payload: null },
});
