/** How many actions an agent has begun of late is counted before each of them, from the index alone. */
export const cap = `
CREATE INDEX actions_begun ON actions (agent, intent_at, status, decided_by) WHERE intent_at IS NOT NULL;
`;
