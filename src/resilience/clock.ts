/** The only place that knows the time. Everything that waits or stamps takes a Clock, so that tests own time. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `fn` once after `ms`. The handle cancels it. A pending timer does not keep the process alive. */
  after(ms: number, fn: () => void): { cancel(): void };
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.max(0, Math.min(ms, 2_147_483_647)));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const abort = () => {
      timer.cancel();
      reject(signal?.reason as Error);
    };
    const timer = clock.after(ms, () => {
      signal?.removeEventListener("abort", abort);
      resolve();
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** A signal that aborts with a TimeoutError after `ms`; `done` frees its timer. */
export function deadline(
  clock: Clock,
  ms: number,
  parent?: AbortSignal,
): { signal: AbortSignal; done(): void } {
  const controller = new AbortController();
  const timer = clock.after(ms, () => {
    controller.abort(new DOMException(`no answer within ${ms} ms`, "TimeoutError"));
  });
  const signal = parent ? AbortSignal.any([controller.signal, parent]) : controller.signal;
  return { signal, done: () => timer.cancel() };
}
