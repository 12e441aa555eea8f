/** What is asked every few seconds, or while a page is open, is answered from an index, never by reading the bodies. */
export const counting = `
CREATE INDEX events_by_status ON events (status);
CREATE INDEX events_with_content ON events (received_at) WHERE body IS NOT NULL;
CREATE INDEX deliveries_with_content ON deliveries (received_at) WHERE body IS NOT NULL;
CREATE INDEX runs_by_decider ON runs (decided_by) WHERE decided_by IS NOT NULL;
`;
