import type { EventDetail } from "./api.ts";
import { useLoaded } from "./load.ts";
import { Ago, Card, Empty, Facts, Shown, Status, Values } from "./parts.tsx";
import { shortId } from "./words.ts";

export function EventPage({ id }: { id: string }) {
  const event = useLoaded<EventDetail>(
    `/api/events/${encodeURIComponent(id)}`,
    (change) =>
      (change.kind === "event" && change.row.id === id) || (change.kind === "run" && change.row.event === id),
  );
  return <Shown of={event}>{(data) => <Detail of={data} />}</Shown>;
}

function Detail({ of: event }: { of: EventDetail }) {
  return (
    <>
      <h1>
        <span class="source">{event.source}</span> {event.type}
      </h1>
      <Facts
        of={[
          ["Status", <Status key="s" of={event.status} />],
          ["Received", <Ago key="r" at={event.receivedAt} />],
          ["Id", <code key="i">{event.id}</code>],
          ["Provider's id", <code key="p">{event.providerId}</code>],
        ]}
      />
      <div class="columns">
        <Card title="Payload">
          <p class="soft">
            Secrets and personal data are taken out. {event.bodyBytes.toLocaleString("en")} bytes were stored.
          </p>
          {event.text === null ? (
            <pre tabIndex={0}>{JSON.stringify(event.payload, null, 2)}</pre>
          ) : (
            <pre tabIndex={0}>{event.text}</pre>
          )}
        </Card>
        <div class="stack">
          <Runs of={event} />
          <Deliveries of={event} />
          <Card title="Headers">
            <Values of={event.headers} />
          </Card>
        </div>
      </div>
    </>
  );
}

function Runs({ of: event }: { of: EventDetail }) {
  return (
    <Card title="Runs">
      {event.faults.map((fault) => (
        <p key={fault.route} class="fault">
          Route {fault.route}, {fault.part}: {fault.message}
        </p>
      ))}
      {event.runs.length === 0 ? (
        <Empty>
          <p>
            No route matched. Add one for <code>{event.type}</code> to <code>signalbox.yaml</code>, then{" "}
            <code>signalbox replay {shortId(event.id)}</code>.
          </p>
        </Empty>
      ) : (
        <ul class="rows">
          {event.runs.map((run) => (
            <li key={run.id} class="line">
              <a href={`#/runs/${run.id}`}>{run.agent}</a>
              <Status of={run.status} />
              {run.generation > 0 && <span class="tag">replay {run.generation}</span>}
              <Ago at={run.createdAt} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Deliveries({ of: event }: { of: EventDetail }) {
  return (
    <Card title="Deliveries">
      {event.deliveries.length === 0 ? (
        <Empty>
          <p>None: this event was read from a change feed.</p>
        </Empty>
      ) : (
        <ul class="rows">
          {event.deliveries.map((delivery) => (
            <li key={delivery.id} class="line">
              <span>{delivery.result}</span>
              <span class="soft">from {delivery.remoteAddress}</span>
              {delivery.secretIndex !== null && delivery.secretIndex > 0 && (
                <span class="tag">old secret</span>
              )}
              <Ago at={delivery.receivedAt} />
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
