/** The two pages about the world outside: breakers (what we call, and what is paused) and sources (what calls us). */
import { send } from "./api.ts";
import type { BreakerRow, Page, SourceRow } from "./api.ts";
import { Fault, useAsking } from "./asking.tsx";
import { useLoaded } from "./load.ts";
import { Ago, Card, Empty, Shown, Status } from "./parts.tsx";
import { count } from "./words.ts";

/** Names as `POST /api/pauses` takes them: agents without what tells them from services. */
const nameOf = (service: string): string => service.replace(/^agent:/, "");

function PauseButton({ name, isPaused }: { readonly name: string; readonly isPaused: boolean }) {
  const { fault, isAsking, ask } = useAsking();
  const what = name === "all" ? "everything" : name;
  const press = () =>
    ask(() =>
      isPaused
        ? send("DELETE", `/api/pauses/${encodeURIComponent(name)}`)
        : send("POST", "/api/pauses", { name }),
    );
  return (
    <>
      <button
        class="quiet"
        disabled={isAsking}
        onClick={press}
        aria-label={`${isPaused ? "Resume" : "Pause"} ${what}`}
      >
        {isPaused ? "Resume" : "Pause"}
        {name === "all" && !isPaused && " everything"}
      </button>
      <Fault of={fault} />
    </>
  );
}

function Service({ breaker }: { readonly breaker: BreakerRow }) {
  const { service, state, failures, openUntil, reason, paused } = breaker;
  return (
    <li>
      <div class="line">
        <span class="name">{service === "all" ? "everything" : nameOf(service)}</span>
        <Status of={paused ? "paused" : state} />
        {failures > 0 && <span class="soft">{count(failures, "failure")} in a row</span>}
        {openUntil !== null && (
          <span class="soft">
            due for a try <Ago at={openUntil} />
          </span>
        )}
        {/* Models and sources are not for people to pause: without a model the rules decide. */}
        {(paused !== null || !service.includes(":")) && (
          <PauseButton name={nameOf(service)} isPaused={paused !== null} />
        )}
      </div>
      {paused !== null && <p class="why">{paused.reason}</p>}
      {reason !== null && <p class="why">{reason}</p>}
    </li>
  );
}

export function Breakers() {
  const breakers = useLoaded<Page<BreakerRow>>("/api/breakers", ({ kind }) => kind === "breaker");
  const isAllPaused = breakers.data?.items.some(({ service }) => service === "all") === true;
  return (
    <>
      <h1>Breakers</h1>
      <p class="lead">
        One per service and per model. While one is open, the runs that need it wait; nothing is lost. What is
        paused waits for a person, and receiving goes on.
      </p>
      <Card title="Services" aside={!isAllPaused && <PauseButton name="all" isPaused={false} />}>
        <Shown of={breakers}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>
                <p>No destination has credentials and no model has a key: nothing is called.</p>
              </Empty>
            ) : (
              <ul class="rows">
                {items.map((breaker) => (
                  <Service key={breaker.service} breaker={breaker} />
                ))}
              </ul>
            )
          }
        </Shown>
      </Card>
    </>
  );
}

const watchWords = {
  active: "its provider notifies us",
  failing: "its watch could not be renewed",
  lapsed: "its watch has lapsed: nothing is announced any more",
  none: "its provider does not notify us yet",
} as const;

function WatchLine({ watch }: { readonly watch: NonNullable<SourceRow["watch"]> }) {
  const isGood = watch.state === "active";
  return (
    <span class={isGood ? "soft" : `status ${watch.state === "lapsed" ? "bad" : "hold"}`}>
      {!isGood && (
        <span class="mark" aria-hidden="true">
          !
        </span>
      )}
      {watchWords[watch.state]}
      {watch.error !== null && `: ${watch.error}`}
    </span>
  );
}

const inactiveWords = {
  unset: "its secrets are not set",
  expired: "its secrets have all expired",
} as const;

export function Sources() {
  const sources = useLoaded<Page<SourceRow>>("/api/sources", ({ kind }) => kind === "event");
  return (
    <>
      <h1>Sources</h1>
      <p class="lead">Who may send events. A source without a secret in force is inactive and answers 503.</p>
      <Card title="Configured">
        <Shown of={sources}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>
                <p>
                  No sources. Add one under <code>sources:</code> in <code>signalbox.yaml</code>.
                </p>
              </Empty>
            ) : (
              <ul class="rows">
                {items.map((source) => (
                  <li key={source.name} class="line">
                    <span class="name">{source.name}</span>
                    <span class="soft">{source.type}</span>
                    <span class={`status ${source.active ? "good" : "calm"}`}>
                      <span class="mark" aria-hidden="true">
                        {source.active ? "✓" : "∅"}
                      </span>
                      {source.active
                        ? "active"
                        : `inactive: ${inactiveWords[source.inactiveReason ?? "unset"]}`}
                    </span>
                    <span>{count(source.events, "event")}</span>
                    {source.lastEventAt === null ? (
                      <span class="soft">none yet</span>
                    ) : (
                      <Ago at={source.lastEventAt} />
                    )}
                    {source.healedUntil !== null && (
                      <span class="soft">
                        nothing missed up to <Ago at={source.healedUntil} />
                      </span>
                    )}
                    {source.watch && <WatchLine watch={source.watch} />}
                  </li>
                ))}
              </ul>
            )
          }
        </Shown>
      </Card>
    </>
  );
}
