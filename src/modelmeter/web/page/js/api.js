// Asks the gateway's API for what the views show.

import {
  adviceOf,
  breakdownOf,
  budgetsOf,
  callDetailOf,
  callsOf,
  marksOf,
  panelsOf,
} from "./answers.js";
import { DIMENSIONS } from "./state.js";

const CALLS_A_PAGE = 50;
const TOO_MANY = 429;

/** The gateway wants a key. */
export class SignInNeeded extends Error {}

/** The API said no; the message is for people. */
class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }

  /** Asking the same again will be refused again. */
  get isFinal() {
    return this.status >= 400 && this.status < 500 && this.status !== TOO_MANY;
  }
}

/** Questions about what `context` looks at. */
export function gatewayApi(context) {
  /** Span, zone and filters of the state, as every question takes them. */
  function looked() {
    const { state } = context;
    const query = new URLSearchParams();
    if (state.span) {
      query.set("from", new Date(state.span.from * 1000).toISOString());
      query.set("to", new Date(state.span.to * 1000).toISOString());
    } else {
      query.set("window", state.range);
    }
    query.set("time_zone", context.zone());
    for (const dimension of DIMENSIONS) {
      for (const name of state.filters[dimension] ?? []) query.append(dimension, name);
    }
    return query;
  }

  function about(path, parts = {}) {
    const query = looked();
    for (const [name, values] of Object.entries(parts)) {
      for (const value of [values].flat())
        if (value !== null && value !== undefined) query.append(name, value);
    }
    return get(`/api/v1/${path}?${query}`);
  }

  return {
    streamPath: () => `/api/v1/stream?${looked()}`,
    panels: async () => panelsOf(await get("/api/v1/panels")),
    names: () => get("/api/v1/names?window=90d"),
    summary: () => about("summary"),
    series: (metric, by = "none") => about("series", { metric, by }),
    marks: async () => marksOf(await about("marks")),
    breakdown: async (by) => breakdownOf(await about("breakdown", { by })),
    async calls() {
      const { status, error_type, before } = context.state;
      return callsOf(
        await about("calls", { status, error_type, cursor: before, limit: CALLS_A_PAGE }),
      );
    },
    async call(id) {
      try {
        return callDetailOf(await get(`/api/v1/calls/${encodeURIComponent(id)}`));
      } catch (error) {
        if (error.status === 404) return null;
        throw error;
      }
    },
    budgets: async () => budgetsOf(await get("/api/v1/budgets")),
    advice: async () => adviceOf(await get("/api/v1/advice")),
    async logout() {
      await fetch("/api/v1/logout", { method: "POST" });
    },
    /** Null if the key is taken, else why not. */
    async login(key) {
      const response = await fetch("/api/v1/login", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ key }),
      });
      return response.ok ? null : (await problem(response)).message;
    },
  };
}

async function get(path) {
  let response;
  try {
    response = await fetch(path, { headers: { accept: "application/json" } });
  } catch {
    throw new Refused("The gateway cannot be reached.", 0);
  }
  if (response.status === 401) throw new SignInNeeded();
  if (!response.ok) throw await problem(response);
  return response.json();
}

async function problem(response) {
  const body = await response.json().catch(() => null);
  return new Refused(
    body?.error?.message ?? `The gateway answered ${response.status}.`,
    response.status,
  );
}
