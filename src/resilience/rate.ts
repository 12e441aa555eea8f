/**
 * How often a service may be asked, as a pure function: (state, rates, now) → turns taken, or when there is one.
 *
 * A rate is `limit` requests in any window of `perMs`. Time is cut into slices, twenty to a window, and the turns of
 * each slice are counted: what the slice of now and the twenty before it hold never exceeds the limit, so no window,
 * wherever it begins, does. A burst up to the limit is let through at once; a steady flow gets 95 % of it.
 *
 * Turns can be taken ahead, several with one write. Such a block is counted in the next slice and is good until that
 * slice ends: what is left of it then is forfeit.
 */
export interface Rate {
  readonly limit: number;
  readonly perMs: number;
}

export interface RateState {
  /** Per rate, under its own name: `[slice, turns]`, the oldest first. A rate that was changed starts empty. */
  readonly windows: Readonly<Record<string, readonly (readonly [number, number])[]>>;
  /** The service itself said to come back then (429, Retry-After); 0 when it did not. */
  readonly notBefore: number;
}

export const noTurnsTaken: RateState = { windows: {}, notBefore: 0 };

export type Taking =
  | { readonly full: false; readonly taken: number; readonly goodUntil: number; readonly next: RateState }
  /** `by`: whether our own counting or the service's word makes us wait. */
  | { readonly full: true; readonly until: number; readonly by: Rate | "service" };

const slices = 20;
const nameOf = ({ limit, perMs }: Rate): string => `${limit}/${perMs}`;
const sliceMs = ({ perMs }: Rate): number => Math.ceil(perMs / slices);

/** How many turns may be taken ahead with one write without the limit's being felt. */
export const largestBlock = (rates: readonly Rate[]): number =>
  Math.max(1, Math.min(...rates.map(({ limit }) => Math.floor(limit / slices))));

/** Takes at least `least` turns (a whole window's worth, when that is less) and up to `most`, or none. */
export function takeTurns(
  state: RateState,
  rates: readonly Rate[],
  now: number,
  least: number,
  most: number = least,
): Taking {
  if (now < state.notBefore) return { full: true, until: state.notBefore, by: "service" };
  const windows = rates.map((rate) => {
    const slice = Math.floor(now / sliceMs(rate));
    const counts = (state.windows[nameOf(rate)] ?? []).filter(([at]) => at >= slice - slices);
    const used = counts.reduce((sum, [, turns]) => sum + turns, 0);
    return { rate, slice, counts, free: rate.limit - used, needed: Math.min(least, rate.limit) };
  });
  const full = windows.filter(({ free, needed }) => free < needed);
  if (full.length > 0) return wait(full);
  const needed = Math.max(...windows.map((window) => window.needed));
  const taken = Math.max(needed, Math.min(most, ...windows.map(({ free }) => free)));
  const ahead = taken > needed ? 1 : 0;
  const next = windows.map(({ rate, slice, counts }) => {
    const turns = Math.min(taken, rate.limit);
    return [nameOf(rate), added(counts, slice + ahead, turns)] as const;
  });
  const goodUntil = Math.min(...windows.map(({ rate, slice }) => (slice + ahead + 1) * sliceMs(rate)));
  return { full: false, taken, goodUntil, next: { ...state, windows: Object.fromEntries(next) } };
}

interface Window {
  readonly rate: Rate;
  readonly counts: readonly (readonly [number, number])[];
  readonly free: number;
  readonly needed: number;
}

/** Until enough of the oldest slices have left the fullest window. */
function wait(full: readonly Window[]): Taking {
  const ends = full.map(({ rate, counts, free, needed }) => {
    let room = free;
    let last = 0;
    for (const [slice, turns] of counts) {
      if (room >= needed) break;
      room += turns;
      last = slice;
    }
    return { rate, until: (last + slices + 1) * sliceMs(rate) };
  });
  const latest = ends.reduce((a, b) => (b.until > a.until ? b : a));
  return { full: true, until: latest.until, by: latest.rate };
}

function added(
  counts: readonly (readonly [number, number])[],
  slice: number,
  turns: number,
): (readonly [number, number])[] {
  const others = counts.filter(([at]) => at !== slice);
  const before = counts.find(([at]) => at === slice)?.[1] ?? 0;
  return [...others, [slice, before + turns] as const].sort(([a], [b]) => a - b);
}

/** The service asked us to stay away until then. */
export const stayAway = (state: RateState, until: number): RateState =>
  until <= state.notBefore ? state : { ...state, notBefore: until };

/** When the one that `ahead` others go before may come, in milliseconds from now: so that a line moves at the rate. */
export const turnAfter = (rates: readonly Rate[], ahead: number): number => {
  const [shortest] = [...rates].sort((a, b) => a.perMs - b.perMs);
  if (!shortest) return 0;
  const even = (ahead * shortest.perMs) / shortest.limit;
  return Math.ceil(Math.max(even, ...rates.map(({ limit, perMs }) => Math.floor(ahead / limit) * perMs)));
};

/** `100 in 10 s` */
export const inWords = ({ limit, perMs }: Rate): string => {
  if (perMs % 3_600_000 === 0) return `${limit} in ${perMs / 3_600_000} h`;
  if (perMs % 60_000 === 0) return `${limit} in ${perMs / 60_000} min`;
  return `${limit} in ${perMs / 1_000} s`;
};
