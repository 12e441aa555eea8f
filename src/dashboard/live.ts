/**
 * The live feed as one store for the whole page.
 *
 * connecting    the first connection is being made
 * live          rows arrive; each is handed to every listener
 * reconnecting  the connection broke; the browser tries again by itself. Once it is back, `resync` is told, because
 *               rows of the gap were not sent: listeners read their lists again.
 */
import { useEffect, useState } from "preact/hooks";
import type { ActionRow, BreakerRow, EventRow, RunRow } from "./api.ts";

export type LiveState = "connecting" | "live" | "reconnecting";
export type LiveChange =
  | { readonly kind: "event"; readonly row: EventRow }
  | { readonly kind: "run"; readonly row: RunRow }
  | { readonly kind: "action"; readonly row: ActionRow }
  | { readonly kind: "breaker"; readonly row: BreakerRow }
  | { readonly kind: "resync" };

const changeListeners = new Set<(change: LiveChange) => void>();
const stateListeners = new Set<(state: LiveState) => void>();
let state: LiveState = "connecting";

function setState(next: LiveState): void {
  if (next === state) return;
  state = next;
  for (const listener of stateListeners) listener(next);
}
function tell(change: LiveChange): void {
  for (const listener of changeListeners) listener(change);
}

export function connect(): void {
  const source = new EventSource("/api/stream");
  source.addEventListener("open", () => {
    const wasBroken = state === "reconnecting";
    setState("live");
    if (wasBroken) tell({ kind: "resync" });
  });
  source.addEventListener("error", () => {
    setState("reconnecting");
    // Refused rather than broken (a restart behind a proxy, a session that ended): the browser gives up, we do not.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3_000);
  });
  for (const kind of ["event", "run", "action", "breaker"] as const) {
    source.addEventListener(kind, (message: MessageEvent<string>) =>
      tell({ kind, row: JSON.parse(message.data) as never }),
    );
  }
}

export function useLiveState(): LiveState {
  const [shown, show] = useState(state);
  useEffect(() => {
    stateListeners.add(show);
    show(state);
    return () => void stateListeners.delete(show);
  }, []);
  return shown;
}

/** `listener` is told every change while the part is shown. */
export function useLive(listener: (change: LiveChange) => void, on: readonly unknown[]): void {
  useEffect(() => {
    changeListeners.add(listener);
    return () => void changeListeners.delete(listener);
  }, on);
}
