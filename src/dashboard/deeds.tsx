/** What people did, and the replays that are still under way because of it. */
import type { AuditRow, Page, ReplayRow } from "./api.ts";
import { useLoaded } from "./load.ts";
import { Ago, Card, Empty, Raw, Shown } from "./parts.tsx";
import { count } from "./words.ts";

export function Deeds() {
  // Whatever people do changes a run, an action or a breaker; a login does not, and waits for the next of those.
  const deeds = useLoaded<Page<AuditRow>>("/api/audit?limit=100", ({ kind }) => kind !== "event");
  return (
    <>
      <h1>Audit</h1>
      <p class="lead">Who did what, when, and why. Nothing here is ever changed.</p>
      <div class="stack">
        <Replays />
        <Card title="Deeds">
          <Shown of={deeds}>
            {({ items }) =>
              items.length === 0 ? (
                <Empty>
                  <p>Nobody did anything yet.</p>
                </Empty>
              ) : (
                <ul class="rows">
                  {items.map((row) => (
                    <Deed key={row.id} of={row} />
                  ))}
                </ul>
              )
            }
          </Shown>
        </Card>
      </div>
    </>
  );
}

function Deed({ of: row }: { of: AuditRow }) {
  return (
    <li>
      <div class="line">
        <strong>{row.deed}</strong>
        <span class="tag">
          {row.by}
          {row.address !== null && ` from ${row.address}`}
        </span>
        <Ago at={row.at} />
      </div>
      {row.object !== null && (
        <p>
          <Thing id={row.object} />
        </p>
      )}
      {row.reason !== null && <p class="why">{row.reason}</p>}
      {row.details !== null && <Raw title="Details" of={row.details} />}
    </li>
  );
}

function Thing({ id }: { id: string }) {
  if (id.startsWith("run_")) return <a href={`#/runs/${id}`}>{id}</a>;
  if (id.startsWith("evt_")) return <a href={`#/events/${id}`}>{id}</a>;
  return <code>{id}</code>;
}

function Replays() {
  const replays = useLoaded<Page<ReplayRow>>("/api/replays", ({ kind }) => kind === "run");
  const shown = replays.data?.items.filter((job) => job.status !== "done") ?? [];
  if (shown.length === 0 && replays.fault === null) return null;
  return (
    <Card title="Replays under way">
      <Shown of={replays}>
        {() => (
          <ul class="rows">
            {shown.map((job) => (
              <li key={job.id}>
                <div class="line">
                  <code>{job.id}</code>
                  <span class="tag">{job.status}</span>
                  <Ago at={job.createdAt} />
                </div>
                <progress
                  class="share done"
                  max={Math.max(1, job.expected.runs)}
                  value={job.runs}
                  aria-label={`${job.runs} of ${count(job.expected.runs, "run")} started`}
                />
                <p class="soft">
                  {job.runs.toLocaleString("en")} of {count(job.expected.runs, "run")} started, at most{" "}
                  {job.perMinute.toLocaleString("en")} a minute, asked for by {job.by}
                </p>
                <Raw title="What it runs again" of={job.filter} />
              </li>
            ))}
          </ul>
        )}
      </Shown>
    </Card>
  );
}
