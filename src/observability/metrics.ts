import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Every metric of the service, under its public name. Labels never hold a customer, an address or an event id. */
export interface Metrics {
  readonly eventsReceived: Counter<"source" | "result">;
  readonly ackSeconds: Histogram;
  readonly queueDepth: Gauge<"state">;
  readonly queueWaitSeconds: Histogram;
  readonly runSeconds: Histogram<"agent">;
  readonly runs: Counter<"agent" | "decided_by" | "outcome">;
  readonly actions: Counter<"kind" | "outcome">;
  /** 0 closed, 1 half-open, 2 open. */
  readonly breakerState: Gauge<"service">;
  /** closed, half-open, open; paused and resumed, by a refusal or a person. */
  readonly breakerChanges: Counter<"service" | "state">;
  readonly modelTokens: Counter<"model" | "direction">;
  readonly modelCostUsd: Counter<"model">;
  /** sparing: most of a cap is spent; spent: a call would have passed it. */
  readonly modelCaps: Counter<"agent" | "cap" | "level">;
  readonly deadLetters: Gauge;
  readonly reviewsPending: Gauge;
  readonly watchExpires: Gauge<"source">;
  /** `secret` is its place in the list, 0 = first. */
  readonly sourceSecretAgeDays: Gauge<"source" | "secret">;
  /** The Prometheus text format. */
  render(): Promise<{ contentType: string; text: string }>;
}

const fastBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const slowBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    eventsReceived: new Counter({
      name: "signalbox_events_received_total",
      help: "Requests to the ingest port, by how they were answered.",
      labelNames: ["source", "result"],
      registers,
    }),
    ackSeconds: new Histogram({
      name: "signalbox_ack_seconds",
      help: "From the first byte of a request to its 2xx answer.",
      buckets: fastBuckets,
      registers,
    }),
    queueDepth: new Gauge({
      name: "signalbox_queue_depth",
      help: "Runs that are not final, by state.",
      labelNames: ["state"],
      registers,
    }),
    queueWaitSeconds: new Histogram({
      name: "signalbox_queue_wait_seconds",
      help: "From a run's being stored to its first claim.",
      buckets: [...fastBuckets, 5, 10, 60, 300],
      registers,
    }),
    runSeconds: new Histogram({
      name: "signalbox_run_seconds",
      help: "One attempt of a run.",
      labelNames: ["agent"],
      buckets: slowBuckets,
      registers,
    }),
    runs: new Counter({
      name: "signalbox_runs_total",
      help: "Attempts of runs, by how they ended.",
      labelNames: ["agent", "decided_by", "outcome"],
      registers,
    }),
    actions: new Counter({
      name: "signalbox_actions_total",
      help: "Actions, by how they ended.",
      labelNames: ["kind", "outcome"],
      registers,
    }),
    breakerState: new Gauge({
      name: "signalbox_breaker_state",
      help: "0 closed, 1 half-open, 2 open.",
      labelNames: ["service"],
      registers,
    }),
    breakerChanges: new Counter({
      name: "signalbox_breaker_changes_total",
      help: "Changes of a service's breaker, and pauses, by what it became.",
      labelNames: ["service", "state"],
      registers,
    }),
    modelTokens: new Counter({
      name: "signalbox_model_tokens_total",
      help: "Tokens that model calls used, failed ones included.",
      labelNames: ["model", "direction"],
      registers,
    }),
    modelCostUsd: new Counter({
      name: "signalbox_model_cost_usd_total",
      help: "What model calls cost, for models whose price is known.",
      labelNames: ["model"],
      registers,
    }),
    modelCaps: new Counter({
      name: "signalbox_model_caps_total",
      help: "Days on which most of a cap on what models may cost was spent, or all of it.",
      labelNames: ["agent", "cap", "level"],
      registers,
    }),
    deadLetters: new Gauge({
      name: "signalbox_dead_letters",
      help: "Runs in the dead-letter queue.",
      registers,
    }),
    reviewsPending: new Gauge({
      name: "signalbox_reviews_pending",
      help: "Actions that wait for a person.",
      registers,
    }),
    watchExpires: new Gauge({
      name: "signalbox_source_watch_expires_seconds",
      help: "Seconds until what makes a source's provider notify us lapses; negative once it has.",
      labelNames: ["source"],
      registers,
    }),
    sourceSecretAgeDays: new Gauge({
      name: "signalbox_source_secret_age_days",
      help: "Days since a source's secret was added, where the configuration says when; 0 is the first of its list.",
      labelNames: ["source", "secret"],
      registers,
    }),
    render: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
