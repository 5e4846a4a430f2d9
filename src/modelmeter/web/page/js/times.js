// Moments in a time zone, with the browser's own calendar data. Moments are seconds since 1970.

const formatters = new Map();

const PARTS = {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
};

/** `14:05` */
export const clock = (moment, zone) =>
  formatted(moment, zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** `14:05:09` */
export const clockSeconds = (moment, zone) =>
  formatted(moment, zone, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });

/** `Nov 26` */
export const day = (moment, zone) => formatted(moment, zone, { month: "short", day: "numeric" });

/** `Thu, Nov 26, 14:05` */
export const dayAndClock = (moment, zone) =>
  `${formatted(moment, zone, { weekday: "short", month: "short", day: "numeric" })}, ${clock(moment, zone)}`;

/** `2026-11-26 14:05:09` */
export const full = (moment, zone) => {
  const part = parts(moment, zone);
  return `${part.year}-${part.month}-${part.day} ${part.hour}:${part.minute}:${part.second}`;
};

/** `2026-11-26T14:05`, as an input of date and time holds it. */
export const inputValue = (moment, zone) => full(moment, zone).replace(" ", "T").slice(0, 16);

/** The moment that a zone's clock shows as `2026-11-26T14:05`. */
export function fromInput(text, zone) {
  const asUtc = Date.parse(`${text.slice(0, 16)}:00Z`) / 1000;
  const first = asUtc - offset(asUtc, zone);
  return asUtc - offset(first, zone);
}

/** Seconds that a zone is ahead of UTC at a moment. */
export function offset(moment, zone) {
  const part = parts(moment, zone);
  const shown = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute, part.second);
  return shown / 1000 - Math.floor(moment);
}

/** The moment of a local reading, given as if it were UTC. */
export function fromLocal(local, zone) {
  const first = local - offset(local, zone);
  return local - offset(first, zone);
}

/** The IANA name of the viewer's own zone. */
export const viewersZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

function formatted(moment, zone, options) {
  return formatter(zone, options).format(moment * 1000);
}

function parts(moment, zone) {
  const found = {};
  for (const { type, value } of formatter(zone, PARTS).formatToParts(moment * 1000))
    found[type] = value;
  return found;
}

function formatter(zone, options) {
  const key = zone + JSON.stringify(options);
  let found = formatters.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("en-US", { ...options, timeZone: zone });
    formatters.set(key, found);
  }
  return found;
}
