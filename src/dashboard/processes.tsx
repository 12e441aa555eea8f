/** The page of those who do the work: the processes of the installation, as each last told of itself. */
import type { Page, ProcessRow } from "./api.ts";
import { useLoaded } from "./load.ts";
import { Ago, Card, Empty, Shown } from "./parts.tsx";

/** Nothing tells the live feed that a process is alive. */
const everyMs = 10_000;

const roleWords = { all: "receives and works", ingest: "receives", worker: "works" } as const;

function Process({ of }: { readonly of: ProcessRow }) {
  return (
    <li>
      <div class="line">
        <span class="name">
          {of.host} · {of.pid}
        </span>
        <span class={`status ${of.trouble === null ? "good" : "bad"}`}>
          <span class="mark" aria-hidden="true">
            {of.trouble === null ? "✓" : "!"}
          </span>
          {roleWords[of.role]}
          {of.leading && ", leads"}
        </span>
        <span class="soft">version {of.version}</span>
        <span class="soft">
          configuration <code>{of.config}</code>
        </span>
        <span class="soft">
          started <Ago at={of.startedAt} />
        </span>
        <span class="soft">
          last heard <Ago at={of.seenAt} />
        </span>
      </div>
      {of.trouble !== null && <p class="why">{of.trouble}</p>}
    </li>
  );
}

export function Processes() {
  const processes = useLoaded<Page<ProcessRow>>("/api/processes", () => false, everyMs);
  return (
    <>
      <h1>Processes</h1>
      <p class="lead">
        Each receives, works, or both. One that works leads: it does what is to be done once, such as renewals
        and retention, and another takes over when it is gone.
      </p>
      <Card title="Running">
        <Shown of={processes}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>
                <p>None has told of itself yet.</p>
              </Empty>
            ) : (
              <ul class="rows">
                {items.map((one) => (
                  <Process key={one.id} of={one} />
                ))}
              </ul>
            )
          }
        </Shown>
      </Card>
    </>
  );
}
