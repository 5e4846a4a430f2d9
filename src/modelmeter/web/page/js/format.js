// Numbers and times as people read them.

const LOCALE = "en-US";
const COMPACT = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
];
const CENTS_FROM = 0.1;
const SMALL_DIGITS = 3;
const PLACES_MAX = 12;
const WHOLE_BELOW = 100_000;
const TIMES_FROM = 9;
const TIMES_MAX = 99;

const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat(LOCALE, { minimumFractionDigits: 2, maximumFractionDigits: 2 });

/** `$1,204.37`; below ten cents rounded to three digits that say something: `$0.00331`. */
export function money(usd) {
  const value = Number(usd);
  const sign = value < 0 ? "−" : "";
  const size = Math.abs(value);
  if (size === 0 || size >= CENTS_FROM) return `${sign}$${cents.format(size)}`;
  const places = Math.min(PLACES_MAX, SMALL_DIGITS - 1 - Math.floor(Math.log10(size)));
  const [units, decimals] = size.toFixed(places).replace(/0+$/, "").split(".");
  return `${sign}$${units}.${decimals.padEnd(2, "0")}`;
}

/** All digits of an exact decimal: `$0.01134`; never fewer than cents. */
export function moneyExact(text) {
  const [units, decimals = ""] = String(text).split(".");
  const kept = decimals.replace(/0+$/, "").padEnd(2, "0");
  return `$${whole.format(BigInt(units))}.${kept}`;
}

/** For axes and tight places: `$12`, `$1.2 k`. */
export function moneyShort(usd) {
  const value = Number(usd);
  if (Math.abs(value) >= 1000) return `$${compact(value)}`;
  if (value === 0 || Number.isInteger(value)) return `$${whole.format(value)}`;
  return money(value);
}

/** `12,345`; from a hundred thousand on `1.2 M`. */
export function count(value) {
  const number = Number(value);
  if (!Number.isInteger(number) && Math.abs(number) < 1000) return trimmed(number);
  return Math.abs(number) < WHOLE_BELOW ? whole.format(number) : compact(number);
}

/** `1.2 M`, `34 k`, `812`. */
export function compact(value) {
  const number = Number(value);
  for (const [size, letter] of COMPACT) {
    if (Math.abs(number) >= size) {
      const scaled = number / size;
      return `${scaled.toFixed(Math.abs(scaled) < 100 && !isRound(scaled) ? 1 : 0)} ${letter}`;
    }
  }
  return Number.isInteger(number) ? whole.format(number) : trimmed(number);
}

/** All digits, for tables of one call: `1,204,377`. */
export function exact(value) {
  return whole.format(Number(value));
}

/** A share from 0 to 1 as `12.3 %`. */
export function percent(share) {
  const value = Number(share) * 100;
  const digits =
    value === 0 || value === 100 || Math.abs(value) >= 100 ? 0 : Math.abs(value) < 1 ? 2 : 1;
  return `${value.toFixed(digits)} %`;
}

/** `430 ms`, `1.24 s`, `12.4 s`, `2 min 5 s`. */
export function seconds(value) {
  const number = Number(value);
  if (number === 0) return "0 s";
  if (number < 0.001) return `${(number * 1e6).toFixed(0)} µs`;
  if (number < 1) return `${(number * 1e3).toFixed(number < 0.01 ? 1 : 0)} ms`;
  if (number < 10) return `${trimmed(number)} s`;
  if (number < 60) return `${number.toFixed(1).replace(/\.0$/, "")} s`;
  if (number < 3600) return twoUnits(number, 60, "min", "s");
  return twoUnits(number / 60, 60, "h", "min");
}

/** How long until something: `3 h 12 min`, `5 days`. */
export function span(secondsLeft) {
  if (secondsLeft < 60) return "less than a minute";
  const minutes = Math.floor(secondsLeft / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** Growth from one value to another, 0.5 for half as much again; null from nothing. */
export function growth(before, now) {
  return before ? (now - before) / before : null;
}

/**
 * `+12 %` or `−3.4 %` for a growth, `×37` for a large one; null for none, or where there was next
 * to nothing before.
 */
export function growthText(share) {
  if (share === null || share === undefined || share >= TIMES_MAX) return null;
  if (share >= TIMES_FROM) return `×${compact(Math.round(share + 1))}`;
  const size = Math.abs(share * 100);
  const text = size.toFixed(size >= 10 ? 0 : 1);
  const sign = share > 0 ? "+" : share < 0 ? "−" : "±";
  return `${sign}${text} %`;
}

/** Rates and gauges: two significant places below ten, fewer above. */
export function trimmed(number) {
  if (number === 0) return "0";
  const size = Math.abs(number);
  const digits =
    size >= 100
      ? 0
      : size >= 10
        ? 1
        : size >= 0.1
          ? 2
          : Math.min(12, 1 - Math.floor(Math.log10(size)));
  const text = number.toFixed(digits);
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function twoUnits(number, size, large, small) {
  const rest = Math.round(number % size);
  return `${Math.floor(number / size)} ${large}${rest ? ` ${rest} ${small}` : ""}`;
}

function isRound(number) {
  return Math.abs(number - Math.round(number)) < 0.05;
}
