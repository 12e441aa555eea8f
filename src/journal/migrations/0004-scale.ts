/** What is asked for all the time costs the same however much waits, on either database. */
export const scale = `
-- Of steps that began in the same millisecond: which came first.
ALTER TABLE steps ADD COLUMN position INTEGER NOT NULL DEFAULT 0;

-- The service that a waiting run waits for.
ALTER TABLE runs ADD COLUMN waiting_service TEXT;
CREATE INDEX runs_parked ON runs (waiting_service) WHERE status = 'waiting';

DROP INDEX runs_due;
CREATE INDEX runs_due ON runs (due_at, id) WHERE due_at IS NOT NULL;

-- By concurrency key: the newest, who holds it, and who is queued for it, whatever was before.
DROP INDEX runs_by_key;
CREATE INDEX runs_by_key ON runs (concurrency_key, agent, order_at) WHERE concurrency_key IS NOT NULL;
CREATE INDEX runs_holding_key ON runs (concurrency_key, agent) WHERE holds_key = 1;
CREATE INDEX runs_queued_for_key ON runs (concurrency_key, agent, id)
  WHERE status = 'queued' AND concurrency_key IS NOT NULL;
`;
