import type { ActionRow, Attempt, RunDetail, Step } from "./api.ts";
import { useLoaded } from "./load.ts";
import { Ago, Card, Empty, Facts, Raw, Shown, Status, Values } from "./parts.tsx";
import { Review } from "./review.tsx";
import { duration, shortId } from "./words.ts";

export function RunPage({ id }: { id: string }) {
  const run = useLoaded<RunDetail>(
    `/api/runs/${encodeURIComponent(id)}`,
    (change) =>
      (change.kind === "run" && change.row.id === id) || (change.kind === "action" && change.row.run === id),
  );
  return <Shown of={run}>{(data) => <Detail of={data} />}</Shown>;
}

/** What it told of, or what was pressed, is decided here instead. */
const neverAgain = ["review-notice", "review-press"];

function Detail({ of: run }: { of: RunDetail }) {
  return (
    <>
      <h1>{run.agent}</h1>
      {run.status === "awaiting_review" && (
        <p class="notice hold">
          <strong>Waits for a person.</strong> Each action below is done as it stands once it is approved.
        </p>
      )}
      {(run.status === "waiting" || run.status === "queued") && run.waitingFor && (
        <p class="notice hold">
          <strong>Waiting:</strong> {run.waitingFor.reason}
          {run.waitingFor.until && (
            <>
              {" "}
              · again <Ago at={run.waitingFor.until} />
            </>
          )}
        </p>
      )}
      {run.reason !== null && (
        <p class={`notice ${run.status === "dead" ? "bad" : ""}`}>
          <strong>Ended because:</strong> {run.reason}
        </p>
      )}
      {run.cleared && (
        <p class="notice">
          <strong>{run.cleared.by === "replay" ? "Run again" : `Discarded by ${run.cleared.by}`}</strong>{" "}
          <Ago at={run.cleared.at} />: {run.cleared.reason}
        </p>
      )}
      {run.status === "dead" && run.cleared === null && (
        <p class="soft">
          {!neverAgain.includes(run.agent) && (
            <>
              <code>signalbox dead-letters replay {run.id}</code> runs it again;{" "}
            </>
          )}
          <code>signalbox dead-letters discard {run.id} --reason …</code> gives it up.
        </p>
      )}
      <Facts
        of={[
          ["Status", <Status key="s" of={run.status} />],
          [
            "Event",
            <a key="e" href={`#/events/${run.event}`}>
              {shortId(run.event)}
            </a>,
          ],
          ["Route", run.route ?? "system"],
          ...(run.about === null
            ? []
            : [
                [
                  "Tells of",
                  <a key="a" href={`#/runs/${run.about}`}>
                    {shortId(run.about)}
                  </a>,
                ] as const,
              ]),
          ["Mode", run.mode],
          ["Attempts", run.attempts],
          ["Started", <Ago key="c" at={run.createdAt} />],
        ]}
      />
      <div class="columns">
        <Actions of={run.actions} />
        <div class="stack">
          <History of={run.history} />
          <Decision of={run} />
          <Timeline of={run.steps} />
        </div>
      </div>
    </>
  );
}

function Decision({ of: run }: { of: RunDetail }) {
  return (
    <Card
      title="Decision"
      aside={run.decidedBy && <span class="tag">by {run.decidedBy === "model" ? "a model" : "rules"}</span>}
    >
      {run.decidedWhy !== null && <p class="why">{run.decidedWhy}</p>}
      {run.decision === null ? (
        <Empty>
          <p>
            {run.route === null
              ? "A run of the service itself: there is nothing to decide."
              : "Nothing decided yet."}
          </p>
        </Empty>
      ) : (
        <Values of={run.decision} />
      )}
      {run.checks
        .filter(({ passed }) => !passed)
        .map(({ name, detail, effect }) => (
          <p key={name} class="why">
            Check of {name} failed: {detail}
            {effect === "held" && " (held for a person)"}
          </p>
        ))}
    </Card>
  );
}

const endings: Readonly<Record<Attempt["end"], string>> = {
  retryAt: "failed",
  parkUntil: "parked",
  awaitReview: "held for a person",
  rejected: "rejected",
  cancelled: "cancelled",
  dead: "given up",
  lost: "cut off",
};

/** Nothing to show for a run that every attempt of ended well. */
function History({ of: attempts }: { of: readonly Attempt[] }) {
  if (attempts.length === 0) return null;
  return (
    <Card title="How attempts ended">
      <ol class="rows">
        {attempts.map(({ number, times, ...attempt }) => (
          <li key={number}>
            <div class="line">
              <strong>
                {times === 1 ? number : `${number}–${number + times - 1}`} · {endings[attempt.end]}
                {attempt.at !== null && ` at ${attempt.at}`}
              </strong>
              <Ago at={attempt.endedAt} />
            </div>
            <p class="why">{attempt.error}</p>
            {!attempt.counted && <p class="soft">not counted</p>}
          </li>
        ))}
      </ol>
    </Card>
  );
}

function Timeline({ of: steps }: { of: readonly Step[] }) {
  const from = Math.min(...steps.map((step) => Date.parse(step.startedAt)));
  const whole = Math.max(1, ...steps.map((step) => Date.parse(step.endedAt) - from));
  return (
    <Card title="Steps">
      {steps.length === 0 ? (
        <Empty>
          <p>No step has ended yet.</p>
        </Empty>
      ) : (
        <ol class="timeline">
          {steps.map((step) => (
            <li key={step.name}>
              <div class="line">
                <strong>{step.name}</strong>
                <span>{duration(step.durationMs)}</span>
              </div>
              <svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
                <rect
                  x={((Date.parse(step.startedAt) - from) / whole) * 100}
                  width={Math.max(1, (step.durationMs / whole) * 100)}
                  height="4"
                />
              </svg>
              {step.usage && (
                <p class="soft">
                  {step.usage.model} · {step.usage.inputTokens.toLocaleString("en")} tokens in,{" "}
                  {step.usage.outputTokens.toLocaleString("en")} out
                  {step.usage.costUsd !== null && ` · $${step.usage.costUsd.toFixed(4)}`}
                </p>
              )}
              <Raw title="What it found" of={step.output} />
            </li>
          ))}
        </ol>
      )}
    </Card>
  );
}

/** Only links that a browser opens as a page: a vendor's answer must not become a script. */
const linkOf = (action: ActionRow): string | null =>
  Object.values(action.ref ?? {}).find((value) => /^https?:\/\//.test(value)) ?? null;

function Actions({ of: actions }: { of: readonly ActionRow[] }) {
  return (
    <Card title="Actions">
      {actions.length === 0 ? (
        <Empty>
          <p>No actions: nothing is planned yet, or there was nothing to do.</p>
        </Empty>
      ) : (
        <ul class="rows">
          {actions.map((action) => (
            <Action key={action.id} of={action} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function Action({ of: action }: { of: ActionRow }) {
  const link = linkOf(action);
  return (
    <li>
      <div class="line">
        <strong>{action.kind}</strong>
        <Status of={action.status} />
        {action.dryRun && <span class="tag">dry run: nothing was sent</span>}
      </div>
      {action.reason !== null && <p class="why">{action.reason}</p>}
      {link !== null && (
        <p>
          <a href={link} target="_blank" rel="noreferrer noopener">
            Open in {action.kind.split(".")[0]} ↗
          </a>
        </p>
      )}
      <Facts
        of={[
          ["About", action.subject],
          ...(action.reviewedBy === null ? [] : [["Decided by", action.reviewedBy] as const]),
          ["Key", <code key="k">{action.key}</code>],
          ["Id", <code key="i">{action.id}</code>],
        ]}
      />
      {action.status === "awaiting_review" ? (
        <>
          <h3>Exactly this will be sent</h3>
          <Values of={action.input} />
          <Raw title="As JSON" of={action.input} />
          <Review of={action} />
        </>
      ) : (
        <>
          <Raw title="Payload" of={action.input} />
          {action.status === "uncertain" && <Review of={action} />}
        </>
      )}
    </li>
  );
}
