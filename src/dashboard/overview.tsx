import type { BreakerRow, Overview as Counters, Page, RunRow } from "./api.ts";
import { Feed } from "./feed.tsx";
import { useLoaded } from "./load.ts";
import { Ago, Card, Empty, Shown, Status } from "./parts.tsx";
import { count } from "./words.ts";

export function Overview() {
  const counters = useLoaded<Counters>("/api/overview", () => true);
  return (
    <>
      <h1>Overview</h1>
      <Shown of={counters}>{(data) => <Numbers of={data} />}</Shown>
      <div class="columns">
        <Feed />
        <div class="stack">
          <Shown of={counters}>{(data) => <Decided of={data} />}</Shown>
          <Lights />
          <RunList
            title="Held for a person"
            path="/api/runs?status=awaiting_review&limit=8"
            none="Nothing waits for a person. Where a route says mode: review, what an agent wants to do is held here until it is approved."
          />
          <RunList
            title="Waiting"
            path="/api/runs?status=waiting&limit=8"
            none="Nothing waits. Runs wait here while a service they need is out of order, or for their next attempt."
          />
          <RunList
            title="Dead letters"
            path="/api/dead-letters?limit=8"
            none="No dead letters. A run that can't succeed ends here with its reason, and can be replayed."
          />
        </div>
      </div>
    </>
  );
}

function Numbers({ of }: { of: Counters }) {
  const busy = of.runs.queued + of.runs.running + of.runs.waiting;
  const tiles = [
    ["Events", of.events.total, `${of.events.unrouted.toLocaleString("en")} without a route`, ""],
    ["Runs under way", busy, `${of.runs.waiting.toLocaleString("en")} of them waiting`, ""],
    ["Runs succeeded", of.runs.succeeded, `of ${count(of.runs.total, "run")}`, ""],
    ["Actions done", of.actions.done, `${of.actions.failed.toLocaleString("en")} failed`, ""],
    ["Wait for a person", of.reviewsPending, "signalbox review list", of.reviewsPending > 0 ? "hold" : ""],
    ["Dead letters", of.deadLetters, "signalbox dead-letters list", of.deadLetters > 0 ? "bad" : ""],
  ] as const;
  return (
    <dl class="tiles">
      {tiles.map(([name, value, note, tone]) => (
        <div key={name} class={tone}>
          <dt>{name}</dt>
          <dd>{value.toLocaleString("en")}</dd>
          <dd class="note">{note}</dd>
        </div>
      ))}
    </dl>
  );
}

function Decided({ of: { decided } }: { of: Counters }) {
  const percent = decided.modelShare === null ? 0 : Math.round(decided.modelShare * 100);
  return (
    <Card title="Who decided">
      {decided.modelShare === null ? (
        <Empty>
          <p>No decision yet. Without a model key, the rules decide everything.</p>
        </Empty>
      ) : (
        <>
          <progress class="share" max={100} value={percent} aria-label={`Decided by a model: ${percent}%`} />
          <p class="line">
            <span>
              <strong>{percent}%</strong> model ({decided.model.toLocaleString("en")})
            </span>
            <span>
              <strong>{100 - percent}%</strong> rules ({decided.rules.toLocaleString("en")})
            </span>
          </p>
        </>
      )}
    </Card>
  );
}

function Lights() {
  const breakers = useLoaded<Page<BreakerRow>>("/api/breakers", ({ kind }) => kind === "breaker");
  return (
    <Card title="Services" aside={<a href="#/breakers">All</a>}>
      <Shown of={breakers}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>
              <p>Nothing is called: no destination has credentials, no model a key.</p>
            </Empty>
          ) : (
            <ul class="rows">
              {items.map((breaker) => (
                <li key={breaker.service} class="line">
                  <span class="name">{breaker.service}</span>
                  <Status of={breaker.state} />
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
    </Card>
  );
}

function RunList({ title, path, none }: { title: string; path: string; none: string }) {
  const runs = useLoaded<Page<RunRow>>(path, ({ kind }) => kind === "run");
  return (
    <Card title={title}>
      <Shown of={runs}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>
              <p>{none}</p>
            </Empty>
          ) : (
            <ul class="rows">
              {items.map((run) => (
                <li key={run.id}>
                  <div class="line">
                    <a href={`#/runs/${run.id}`}>{run.agent}</a>
                    <Status of={run.status} />
                    <Ago at={run.updatedAt} />
                  </div>
                  <p class="why">
                    {run.waitingFor?.reason ?? run.reason}
                    {run.waitingFor?.until && (
                      <>
                        {" "}
                        · again <Ago at={run.waitingFor.until} />
                      </>
                    )}
                  </p>
                </li>
              ))}
            </ul>
          )
        }
      </Shown>
    </Card>
  );
}
