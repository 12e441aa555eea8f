/** What a part shows: read when it appears, and again shortly after something changed. */
import { useEffect, useState } from "preact/hooks";
import { get } from "./api.ts";
import { useLive } from "./live.ts";
import type { LiveChange } from "./live.ts";

export interface Loaded<T> {
  readonly data: T | null;
  readonly fault: string | null;
}

const quietMs = 400;

/**
 * Reads `path`, and again when the live feed tells of a change that `touches` it. Changes that come in a burst lead to
 * one read after `quietMs`. The last good answer stays on the page while a later read fails. With `everyMs` it is read
 * so often besides.
 */
export function useLoaded<T>(
  path: string,
  touches: (change: LiveChange) => boolean,
  everyMs: number | null = null,
): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ data: null, fault: null });
  const [round, setRound] = useState(0);
  const [stale, setStale] = useState(false);

  useLive((change) => setStale((was) => was || change.kind === "resync" || touches(change)), [path]);
  useEffect(() => {
    if (!stale) return undefined;
    const timer = setTimeout(() => {
      setStale(false);
      setRound((last) => last + 1);
    }, quietMs);
    return () => clearTimeout(timer);
  }, [stale]);
  useEffect(() => {
    if (everyMs === null) return undefined;
    const timer = setInterval(() => setStale(true), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  useEffect(() => setLoaded({ data: null, fault: null }), [path]);
  useEffect(() => {
    let current = true;
    let again: ReturnType<typeof setTimeout> | undefined;
    get<T>(path).then(
      (data) => current && setLoaded({ data, fault: null }),
      (error: unknown) => {
        if (!current) return;
        setLoaded(({ data }) => ({ data, fault: error instanceof Error ? error.message : String(error) }));
        again = setTimeout(() => setRound((last) => last + 1), 5_000);
      },
    );
    return () => {
      current = false;
      clearTimeout(again);
    };
  }, [path, round]);
  return loaded;
}
