// What each of the thirteen panels shows, asked of the API: by the panels' keys.

import { budgetFigureOf, seriesOf } from "./answers.js";
import { count, growth, growthText, money } from "./format.js";

const LINES = {
  requests_per_agent: { metric: "requests", by: "agent", labels: (name) => ({ agent_id: name }) },
  request_latency: { metric: "latency" },
  token_usage: { metric: "tokens", by: "model", labels: (name) => ({ model: name }) },
  cache_performance: { metric: "cache" },
  errors_by_provider: { metric: "errors", by: "provider_error_type", labels: providerAndError },
  active_requests: { metric: "active", by: "provider", labels: (name) => ({ provider: name }) },
}; // A period before with hardly any calls is nothing to compare with.
const COMPARABLE_TIMES = 20;
const NOTHING = {
  calls: 0,
  cost_usd: "0",
  cache_hit_rate: null,
  error_rate: null,
  success_rate: null,
};

/** Everything: the answers of all panels, asked at once. */
export async function everything(api) {
  const keys = Object.keys(LINES);
  const [summary, marks, cost, success, teams, models, ...lines] = await Promise.all([
    api.summary(),
    api.marks(),
    api.series("cost"),
    api.series("success_rate"),
    api.breakdown("team"),
    api.breakdown("model"),
    ...keys.map((key) => api.series(LINES[key].metric, LINES[key].by)),
  ]);
  const series = Object.fromEntries(keys.map((key, i) => [key, linesOf(key, lines[i], marks)]));
  return {
    summary,
    sparks: sparksOf(series, seriesOf(cost), seriesOf(success)),
    series,
    parts: {
      cost_per_team: partsOf(teams),
      cost_by_model: partsOf(models),
    },
  };
}

/** Calls under way at this moment, by provider. */
export function underWay(summary) {
  return new Map(summary.active_requests.map(({ provider, calls }) => [provider, calls]));
}

/** The four stats and the success rate, from the summary; `window` is the range's name. */
export function statsOf(summary, sparks, panels, window) {
  const { total } = summary;
  const previous =
    total.calls < COMPARABLE_TIMES * summary.previous.calls ? summary.previous : NOTHING;
  const full = panels
    .find((panel) => panel.key === "total_cost")
    ?.thresholds.find((one) => one.level === "critical")?.at;
  const budget = summary.budget && budgetFigureOf(summary.budget);
  return {
    total_requests: {
      value: summary.requests_per_second,
      note: `${count(total.calls)} in this range`,
      noteLeadsToCalls: true,
      delta: grown(total.calls, previous.calls),
      spark: sparks?.requests,
    },
    total_cost: {
      value: Number(summary.cost_24h_usd),
      exact: summary.cost_24h_usd,
      ...againstBudget(budget, full),
      delta: window === "24h" ? grown(Number(total.cost_usd), Number(previous.cost_usd)) : null,
      spark: sparks?.cost,
    },
    cache_hit_rate: shareStat(total.cache_hit_rate, previous.cache_hit_rate, sparks?.cache),
    error_rate: shareStat(total.error_rate ?? 0, previous.error_rate, sparks?.errors),
    success_rate: {
      ...shareStat(total.success_rate, previous.success_rate, sparks?.success),
      sparkFromLowest: true,
    },
  };
}

/**
 * How the day's budget for just these calls stands, on the panel's scale up to `full`; a cost that
 * no budget is for is neither good nor bad.
 */
function againstBudget(budget, full) {
  if (!budget) return { note: "no day's budget for these calls", levelValue: null };
  // A calendar's day is another time than the last 24 hours, so its own sum is told.
  const spent = `${money(budget.settled)} of ${money(budget.limit)}`;
  const time = budget.window === "day" ? " today" : "";
  return {
    note: `${budget.name}: ${spent}${time}, ${budget.percentText}`,
    levelValue: budget.share * full,
  };
}

function shareStat(share, before, spark) {
  const value = share === null ? null : share * 100;
  return {
    value,
    delta: value === null || before === null ? null : points(value - before * 100),
    spark,
  };
}

function points(difference) {
  const sign = difference > 0 ? "+" : difference < 0 ? "−" : "±";
  const size = Math.abs(difference);
  return `${sign}${size.toFixed(size < 1 ? 2 : 1)} points against the period before`;
}

function grown(now, before) {
  const text = growthText(growth(before, now));
  return text && `${text} against the period before`;
}

function linesOf(key, answer, marks) {
  const { labels = () => ({}) } = LINES[key];
  const read = seriesOf(answer);
  return {
    ...read,
    marks,
    series: read.series.map((line) => ({ ...line, labels: labels(line.name) })),
  };
}

function partsOf({ rows }) {
  return rows
    .filter((row) => row.cost > 0)
    .map((row) => ({ name: row.name, value: row.cost, exact: row.costExact }));
}

function sparksOf(series, cost, success) {
  const [hits, misses] = series.cache_performance.series;
  const share = (part, rest) => (part + rest > 0 ? part / (part + rest) : null);
  return {
    requests: summed(series.requests_per_agent),
    cost: cost.series[0]?.values,
    cache: hits?.values.map((value, i) => share(value, misses.values[i])),
    errors: success.series[0]?.values.map((value) => (value === null ? null : 1 - value)),
    success: success.series[0]?.values,
  };
}

function summed({ times, series }) {
  return times.map((_, i) => series.reduce((sum, line) => sum + (line.values[i] ?? 0), 0));
}

/** A line of errors is called `provider error_type`. */
function providerAndError(name) {
  const at = name.lastIndexOf(" ");
  return at < 0 ? {} : { provider: name.slice(0, at), error_type: name.slice(at + 1) };
}
