/** The queue: wake-up and distribution, nothing that could be lost. Its contract suite runs against each implementation. */

/** A run that is to be taken up: all that a queue has to know of it. */
export interface Wake {
  readonly run: string;
  readonly agent: string;
  /** How often it has been claimed: the same however often it is told, another one for the next time. */
  readonly number: number;
}

/** How many runs a process works on at a time; read anew whenever there may be room for one. */
export interface Hands {
  readonly total: number;
  /** Fewer than in total, so that an agent which is stuck leaves some to the others. */
  readonly perAgent: number;
}

/** Telling a queue twice, losing what it holds, and being given the same run twice are all harmless. */
export interface Queue {
  /**
   * Says that these can be claimed; none: that something may have become due, so look into the journal. Returns at
   * once, and never throws for a queue that is down: what is due is told again.
   */
  publish(wakes: readonly Wake[]): void;
  /** Hands run ids to `handler` until `stop` resolves (handlers in flight end first). */
  consume(handler: (run: string) => Promise<void>, hands: Hands): { stop(): Promise<void> };
}
