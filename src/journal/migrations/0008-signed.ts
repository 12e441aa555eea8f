/** Which secret a source was last signed with is one look, however many deliveries there were. */
export const signed = `
CREATE INDEX deliveries_signed ON deliveries (source, received_at) WHERE secret_index IS NOT NULL;
`;
