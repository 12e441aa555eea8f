/** What a person needs to judge a dead run, how it left the dead letters, and who did what. */
export const operators = `
CREATE TABLE attempts (
  run        TEXT NOT NULL REFERENCES runs (id),
  -- Of the first of the attempts in a row that the row stands for.
  number     INTEGER NOT NULL,
  times      INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  ended_at   INTEGER NOT NULL,
  ended_as   TEXT NOT NULL,
  place      TEXT,
  service    TEXT,
  error      TEXT NOT NULL,
  counted    INTEGER NOT NULL,
  PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

-- A dead run is a dead letter until it is discarded, or a later run of its event and agent takes its place.
ALTER TABLE runs ADD COLUMN cleared_at INTEGER;
ALTER TABLE runs ADD COLUMN cleared_by TEXT;
ALTER TABLE runs ADD COLUMN cleared_reason TEXT;
CREATE INDEX dead_letters ON runs (cleared_at, id) WHERE status = 'dead' AND cleared_at IS NULL;

CREATE TABLE audit (
  id       TEXT PRIMARY KEY,
  at       INTEGER NOT NULL,
  known_as TEXT NOT NULL,
  address  TEXT,
  deed     TEXT NOT NULL,
  object   TEXT,
  reason   TEXT,
  details  TEXT
) STRICT;
`;
