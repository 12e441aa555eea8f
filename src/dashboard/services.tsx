/** The two pages about the world outside: breakers (what we call) and sources (what calls us). */
import type { BreakerRow, Page, SourceRow } from "./api.ts";
import { useLoaded } from "./load.ts";
import { Ago, Card, Empty, Shown, Status } from "./parts.tsx";
import { count } from "./words.ts";

export function Breakers() {
  const breakers = useLoaded<Page<BreakerRow>>("/api/breakers", ({ kind }) => kind === "breaker");
  return (
    <>
      <h1>Breakers</h1>
      <p class="lead">
        One per service and per model. While one is open, the runs that need it wait; nothing is lost.
      </p>
      <Card title="Services">
        <Shown of={breakers}>
          {({ items }) =>
            items.length === 0 ? (
              <Empty>
                <p>No service was called yet. Breakers appear with the first call.</p>
              </Empty>
            ) : (
              <ul class="rows">
                {items.map((breaker) => (
                  <li key={breaker.service}>
                    <div class="line">
                      <span class="name">{breaker.service}</span>
                      <Status of={breaker.state} />
                      {breaker.failures > 0 && (
                        <span class="soft">{count(breaker.failures, "failure")} in a row</span>
                      )}
                      {breaker.openUntil !== null && (
                        <span class="soft">
                          due for a try <Ago at={breaker.openUntil} />
                        </span>
                      )}
                    </div>
                    {breaker.reason !== null && <p class="why">{breaker.reason}</p>}
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
