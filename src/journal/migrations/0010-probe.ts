/** Who of those that wait for a service comes first is found however many there are. */
export const probe = `
DROP INDEX runs_parked;
CREATE INDEX runs_parked ON runs (waiting_service, due_at, id) WHERE status = 'waiting';
`;
