/**
 * Whose turn it is when hands are scarce: of the agents that have something to do, the one with the fewest runs under
 * way; among equals the one whose turn was longest ago. So none starves, however much the others have waiting.
 */
export interface Turns {
  begun(agent: string): void;
  ended(agent: string): void;
  /** How many of its runs are under way. */
  busy(agent: string): number;
  /** Negative when `a` comes before `b`. */
  compare(a: string, b: string): number;
}

export function createTurns(): Turns {
  const underWay = new Map<string, number>();
  const lastTurn = new Map<string, number>();
  let turn = 0;
  const busy = (agent: string) => underWay.get(agent) ?? 0;
  return {
    begun(agent) {
      underWay.set(agent, busy(agent) + 1);
      lastTurn.set(agent, (turn += 1));
    },
    ended: (agent) => void underWay.set(agent, busy(agent) - 1),
    busy,
    compare: (a, b) => busy(a) - busy(b) || (lastTurn.get(a) ?? 0) - (lastTurn.get(b) ?? 0),
  };
}
