/** What retention erases last is found by its age. Rows come into these indexes when they lose their content, not before. */
export const history = `
CREATE INDEX events_without_content ON events (received_at) WHERE body IS NULL;
CREATE INDEX deliveries_without_event ON deliveries (received_at) WHERE event IS NULL;
`;
