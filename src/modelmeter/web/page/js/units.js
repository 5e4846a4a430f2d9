// How each unit of the panels' definition is written: in full, and short for an axis.

import { compact, count, money, moneyShort, percent, seconds, trimmed } from "./format.js";

const UNITS = {
  calls_per_second: {
    full: (n) => `${rate(n)} /s`,
    axis: rate,
    words: "calls a second",
    total: "Calls in this range",
  },
  tokens_per_second: {
    full: (n) => `${rate(n)} /s`,
    axis: rate,
    words: "tokens a second",
    total: "Tokens in this range",
  },
  calls: {
    full: count,
    axis: (n) => (Number.isInteger(n) ? compact(n) : trimmed(n)),
    words: "calls",
  },
  usd: { full: money, axis: moneyShort, words: "USD" },
  percent: { full: (n) => percent(n / 100), axis: (n) => `${trimmed(n)} %`, words: "%" },
  seconds: { full: seconds, axis: seconds, words: "seconds" },
};

/** `{full, axis, words, total}` of a unit's name; `total` says what a rate adds up to. */
export function unit(name) {
  return UNITS[name] ?? { full: String, axis: String, words: "" };
}

function rate(value) {
  const number = Number(value);
  return Math.abs(number) >= 1000 ? compact(number) : trimmed(number);
}
