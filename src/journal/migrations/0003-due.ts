/** What an agent has to do next is found without passing by what the others have waiting. */
export const due = `
CREATE INDEX runs_due_by_agent ON runs (agent, due_at, id) WHERE due_at IS NOT NULL;
`;
