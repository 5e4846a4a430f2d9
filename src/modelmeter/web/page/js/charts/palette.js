// Which of the colours a name has: the same wherever it is shown.

const SLOTS = 12;

/** What all those are called together that have no line, slice or bar of their own. */
export const REST = "other";

const fixed = new Map(
  Object.entries({
    p50: 0,
    p90: 2,
    p99: 4,
    hits: 1,
    misses: 8,
  }),
);
const known = new Map();

/** Tell all names of one kind, such as agents; each gets its colour by its place in the alphabet. */
export function learnNames(names) {
  [...names].sort().forEach((name, place) => {
    if (!known.has(name)) known.set(name, place % SLOTS);
  });
}

/** The class that carries a name's colour; `place` serves names that nobody has told. */
export function colourClass(name, place = 0) {
  if (name === REST) return "c-quiet";
  const slot = fixed.get(name) ?? known.get(name) ?? place % SLOTS;
  return `c${slot}`;
}
