// From values to pixels, and where an axis has its ticks.

import { fromLocal, offset } from "../times.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;
const TIME_STEPS = [
  ...[10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 4, 7, 14, 28].map((n) => n * DAY),
];
const TICKS_MAX = 60;

/** A straight line from a domain of values to a range of pixels. */
export function linear([low, high], [start, end]) {
  const factor = (end - start) / (high - low || 1);
  return (value) => start + (value - low) * factor;
}

/** Round values from 0 to at least `top`, about `wanted` of them; the last is the axis' end. */
export function valueTicks(top, wanted) {
  if (!(top > 0)) return [0, 1];
  const rough = top / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough * 0.999);
  const ticks = [];
  for (let i = 0; i * step < top + step * 0.999; i += 1)
    ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

/** Moments at round local times between two moments, at most `wanted` of them; with their step. */
export function timeTicks(from, to, wanted, zone) {
  const step = TIME_STEPS.find((n) => (to - from) / n <= wanted) ?? 56 * DAY;
  const ticks = [];
  // Round in local time, so that a day's tick stands at the zone's midnight on both sides of a
  // change of the clocks.
  let local = Math.ceil((from + offset(from, zone)) / step) * step;
  while (ticks.length < TICKS_MAX) {
    const moment = fromLocal(local, zone);
    if (moment > to) break;
    if (moment >= from) ticks.push(moment);
    local += step;
  }
  return { ticks, step };
}

/** The place of the value nearest to `wanted` in a rising list. */
export function nearest(sorted, wanted) {
  let low = 0;
  let high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle;
    else high = middle;
  }
  return wanted - sorted[low] <= sorted[high] - wanted ? low : high;
}
