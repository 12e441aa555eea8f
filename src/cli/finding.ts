/** What doctor found, of one thing that it looked at. */
export interface Finding {
  readonly check: string;
  /** note: something is missed, by choice. */
  readonly status: "ok" | "note" | "warn" | "fault";
  readonly message: string;
  /** What to do. */
  readonly fix?: string;
}
