/** Events, the runs they started and what those did, newest first, as it happens. */
import { useState } from "preact/hooks";
import type { ActionRow, EventRow, Page } from "./api.ts";
import { useLoaded } from "./load.ts";
import { useLive } from "./live.ts";
import { Ago, Card, Empty, Shown, Status } from "./parts.tsx";

export function Feed() {
  const events = useLoaded<Page<EventRow>>(
    "/api/events?limit=30",
    ({ kind }) => kind === "event" || kind === "run",
  );
  const actions = useLoaded<Page<ActionRow>>("/api/actions?limit=200", ({ kind }) => kind === "action");
  const [news, setNews] = useState("");
  useLive((change) => {
    if (change.kind === "event") setNews(`New event from ${change.row.source}: ${change.row.type}`);
  }, []);
  return (
    <Card title="As it happens">
      <p class="unseen" aria-live="polite">
        {news}
      </p>
      <Shown of={events}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>
              <p>
                <strong>No events yet.</strong> Send one:
              </p>
              <p>
                <code>signalbox trigger github.pull_request.opened</code>
              </p>
              <p>
                or point a provider's webhook at <code>/webhooks/SOURCE</code> on the ingest port.
              </p>
            </Empty>
          ) : (
            <ol class="feed">
              {items.map((event) => (
                <Item key={event.id} event={event} actions={actions.data?.items ?? []} />
              ))}
            </ol>
          )
        }
      </Shown>
    </Card>
  );
}

function Item({ event, actions }: { event: EventRow; actions: readonly ActionRow[] }) {
  return (
    <li>
      <div class="line">
        <a href={`#/events/${event.id}`}>
          <span class="source">{event.source}</span> {event.type}
        </a>
        {event.runs.length === 0 && <Status of={event.status} />}
        <Ago at={event.receivedAt} />
      </div>
      {event.faults.length > 0 && (
        <p class="fault">A route could not be evaluated; open the event to see which.</p>
      )}
      {event.runs.map((run) => (
        <div key={run.id} class="branch">
          <div class="line">
            <a href={`#/runs/${run.id}`}>{run.agent}</a>
            <Status of={run.status} />
          </div>
          {actions
            .filter((action) => action.run === run.id)
            .reverse()
            .map((action) => (
              <div key={action.id} class="line leaf">
                <span>{action.kind}</span>
                <Status of={action.status} />
                {action.dryRun && <span class="tag">dry run</span>}
              </div>
            ))}
        </div>
      ))}
    </li>
  );
}
