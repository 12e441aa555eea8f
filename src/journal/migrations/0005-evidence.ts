/**
 * What requests were signed with, to verify their events again. It stands last in the event's own row, where lists do not
 * come by; the bytes of a request are kept beside it only where they are not those of its one event.
 */
export const evidence = `
ALTER TABLE events ADD COLUMN evidence TEXT;

-- One row per request whose events are parts or other forms of what was signed; id is that of its delivery.
CREATE TABLE signed_requests (
  id        TEXT PRIMARY KEY,
  evidence  TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  body      BLOB NOT NULL
) STRICT;
`;
