/** Held actions are told of once, by a run that says which run it is about. */
export const notices = `
ALTER TABLE runs ADD COLUMN about TEXT;
ALTER TABLE actions ADD COLUMN announced INTEGER NOT NULL DEFAULT 0;
`;
