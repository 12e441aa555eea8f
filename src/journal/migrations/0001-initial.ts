export const initial = `
CREATE TABLE events (
  id          TEXT PRIMARY KEY,
  source      TEXT NOT NULL,
  type        TEXT NOT NULL,
  provider_id TEXT NOT NULL,
  received_at INTEGER NOT NULL,
  occurred_at INTEGER,
  status      TEXT NOT NULL,
  body_hash   TEXT NOT NULL,
  headers     TEXT NOT NULL,
  faults      TEXT NOT NULL,
  body        BLOB
) STRICT;
CREATE INDEX events_by_source ON events (source, id);

-- One row per request and event; malformed requests keep their bytes here, having no event.
CREATE TABLE deliveries (
  id             TEXT NOT NULL,
  source         TEXT NOT NULL,
  event          TEXT,
  result         TEXT NOT NULL,
  received_at    INTEGER NOT NULL,
  remote_address TEXT NOT NULL,
  secret_index   INTEGER,
  reason         TEXT,
  body           BLOB
) STRICT;
CREATE INDEX deliveries_by_event ON deliveries (event);

-- Dedupe keys of events and idempotency keys of actions, as hashes: they outlive the content.
CREATE TABLE keys (
  scope        TEXT NOT NULL,
  key          TEXT NOT NULL,
  ref          TEXT NOT NULL,
  payload_hash TEXT,
  created_at   INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
  id                TEXT PRIMARY KEY,
  event             TEXT NOT NULL REFERENCES events (id),
  route             TEXT,
  agent             TEXT NOT NULL,
  generation        INTEGER NOT NULL,
  mode              TEXT NOT NULL,
  status            TEXT NOT NULL,
  decided_by        TEXT,
  decided_why       TEXT,
  attempts          INTEGER NOT NULL DEFAULT 0,
  streak_service    TEXT,
  streak_count      INTEGER NOT NULL DEFAULT 0,
  waiting_for       TEXT,
  parked_since      INTEGER,
  reason            TEXT,
  -- When it may be claimed next: creation, end of a wait, end of a lease; null when never by itself.
  due_at            INTEGER,
  concurrency_key   TEXT,
  concurrency_limit INTEGER,
  -- 1 from the first claim until it is final or held for review: parking keeps the key, a review releases it.
  holds_key         INTEGER NOT NULL DEFAULT 0,
  -- The provider's time of its event (or of receipt); orders superseding.
  order_at          INTEGER NOT NULL,
  lease_owner       TEXT,
  fence             INTEGER NOT NULL DEFAULT 0,
  crashes           INTEGER NOT NULL DEFAULT 0,
  config_hash       TEXT NOT NULL,
  prompt_hash       TEXT,
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL,
  UNIQUE (event, agent, generation)
) STRICT;
CREATE INDEX runs_due ON runs (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX runs_by_status ON runs (status, id);
CREATE INDEX runs_by_key ON runs (concurrency_key, agent) WHERE concurrency_key IS NOT NULL;

CREATE TABLE steps (
  run            TEXT NOT NULL REFERENCES runs (id),
  name           TEXT NOT NULL,
  schema_version INTEGER NOT NULL,
  output         TEXT NOT NULL,
  started_at     INTEGER NOT NULL,
  ended_at       INTEGER NOT NULL,
  usage          TEXT,
  PRIMARY KEY (run, name)
) STRICT;

CREATE TABLE actions (
  id         TEXT PRIMARY KEY,
  run        TEXT NOT NULL REFERENCES runs (id),
  position   INTEGER NOT NULL,
  agent      TEXT NOT NULL,
  name       TEXT NOT NULL,
  kind       TEXT NOT NULL,
  subject    TEXT NOT NULL,
  key        TEXT NOT NULL,
  status     TEXT NOT NULL,
  input      TEXT NOT NULL,
  hash       TEXT NOT NULL,
  needs      TEXT NOT NULL,
  ref        TEXT,
  dry_run    INTEGER NOT NULL DEFAULT 0,
  reason     TEXT,
  attempts   INTEGER NOT NULL DEFAULT 0,
  intent_at  INTEGER,
  decided_by TEXT,
  decided_at INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (run, name)
) STRICT;
CREATE INDEX actions_by_status ON actions (status, id);

CREATE TABLE state (
  scope      TEXT NOT NULL,
  key        TEXT NOT NULL,
  value      TEXT NOT NULL,
  version    INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
`;
