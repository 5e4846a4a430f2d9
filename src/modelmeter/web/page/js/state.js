// What is looked at, kept in the address so that a link shows the same.

export const DIMENSIONS = ["agent", "team", "model", "provider", "tenant"];

export const RANGES = [
  ["15m", "Last 15 minutes"],
  ["1h", "Last hour"],
  ["6h", "Last 6 hours"],
  ["24h", "Last 24 hours"],
  ["7d", "Last 7 days"],
  ["30d", "Last 30 days"],
  ["90d", "Last 90 days"],
  ["week", "This week"],
  ["month", "This month"],
];

/** The last second that a date holds; whether a span makes sense is for the server to say. */
const LAST = 8.64e12;
const RANGE_USUAL = "24h";
const VIEWS = ["breakdown", "calls", "budgets", "advice", "login"];
const PLAIN = ["by", "sort", "status", "error_type", "before"];

/** The state that an address stands for. */
export function parse(url) {
  const [, first = "", second = ""] = url.pathname.split("/");
  const query = url.searchParams;
  const [from, to] = ["from", "to"].map((name) => Math.min(Number(query.get(name)), LAST));
  const state = {
    view: VIEWS.includes(first) ? first : "overview",
    id: second ? decoded(second) : null,
    range: RANGES.some(([name]) => name === query.get("range")) ? query.get("range") : RANGE_USUAL,
    span: from > 0 && to > from ? { from, to } : null,
    zone: query.get("zone") === "company" ? "company" : "viewer",
    filters: {},
  };
  for (const dimension of DIMENSIONS) {
    const values = query.getAll(dimension);
    if (values.length > 0) state.filters[dimension] = values;
  }
  for (const name of PLAIN) state[name] = query.get(name);
  return state;
}

/** The address of a state, without the host. */
export function address(state) {
  const query = new URLSearchParams();
  if (state.span) {
    query.set("from", state.span.from);
    query.set("to", state.span.to);
  } else if (state.range !== RANGE_USUAL) {
    query.set("range", state.range);
  }
  if (state.zone === "company") query.set("zone", "company");
  for (const dimension of DIMENSIONS) {
    for (const value of state.filters[dimension] ?? []) query.append(dimension, value);
  }
  for (const name of PLAIN) if (state[name]) query.set(name, state[name]);
  const path = state.view === "overview" ? "/" : `/${state.view}`;
  const text = query.toString();
  return `${path}${state.id ? `/${encodeURIComponent(state.id)}` : ""}${text ? `?${text}` : ""}`;
}

/**
 * The address to open after signing in: `wanted`, if it is one of our own, else the overview's.
 * Resolved as the browser would, which takes `/\\host` for another machine's as well as `//host`.
 */
export function comeBack(wanted, origin) {
  if (!wanted?.startsWith("/") || !URL.canParse(wanted, origin)) return "/";
  const url = new URL(wanted, origin);
  return url.origin === origin ? url.href : "/";
}

/** Another state: some parts changed, and those dropped that belong to another view. */
export function changed(state, parts) {
  const next = { ...state, before: null, ...parts };
  if (parts.view && parts.view !== state.view) {
    for (const name of PLAIN) if (!(name in parts)) next[name] = null;
    if (!("id" in parts)) next.id = null;
  }
  return next;
}

/** Filters with one name alone; without it, if it stood there alone before. */
export function toggled(filters, dimension, name) {
  const before = filters[dimension] ?? [];
  const next = { ...filters };
  if (before.length === 1 && before[0] === name) delete next[dimension];
  else next[dimension] = [name];
  return next;
}

/** How a range is called where it is shown. */
export function rangeName(state) {
  return RANGES.find(([name]) => name === state.range)[1];
}

/** A part of a path; as it stands where it is no text, such as `%E0%A4%A`. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
