// Lines or stacked areas over time, with a legend that filters.

import { legend } from "../charts/legend.js";
import { lineChart } from "../charts/lines.js";
import { REST, colourClass } from "../charts/palette.js";
import { replace } from "../dom.js";
import { count } from "../format.js";
import { full as fullTime } from "../times.js";
import { unit } from "../units.js";
import { panelCard } from "./card.js";

const DIMENSION_OF = { agent_id: "agent", team: "team", model: "model", provider: "provider" };

/** A time panel; `update({from, to, times, series: [{name, labels, values}], marks})`. */
export function timePanel(panel, context) {
  const words = unit(panel.unit);
  const stacked = panel.chart === "stacked";
  let shown = { times: [], series: [] };
  let present = null;
  const card = panelCard(panel, {
    source: () => ({
      columns: [
        {
          title: "time",
          text: (i) => fullTime(shown.times[i], context.zone()),
          raw: (i) => new Date(shown.times[i] * 1000).toISOString(),
        },
        ...shown.series.map((one) => ({
          title: one.name,
          align: "end",
          text: (i) => (one.values[i] === null ? "–" : words.full(one.values[i])),
          raw: (i) => one.values[i],
        })),
      ],
      rows: shown.times.map((_, i) => i),
    }),
    picture: () => ({ svg: card.body.querySelector("svg"), legend: entries() }),
    callsHref: () =>
      context.callsHref(panel.key === "errors_by_provider" ? { status: "any_error" } : {}),
  });
  const pick = pickOf(panel, context, () => shown);
  const chart = lineChart(card.body, {
    onPick: pick,
    onRange: (from, to) => context.go({ span: { from, to } }),
  });

  function entries() {
    return shown.series.map((one) => ({
      name: one.name,
      colour: one.colour,
      value: figureOf(one),
    }));
  }

  function figureOf(one) {
    return present === null
      ? summary(one.values, shown, words)
      : words.full(present.get(one.name) ?? 0);
  }

  function fillLegend() {
    replace(
      card.legendHost,
      shown.series.length > 0 &&
        legend(entries(), {
          onPick: pick,
          onPoint: (name) => chart.highlight(name),
          caption: words.total,
        }),
    );
  }

  /** What each line's name stands at now, for panels about this moment. */
  function now(values) {
    present = values;
    fillLegend();
  }

  function update(next) {
    const series = next.series.map((one, i) => ({
      ...one,
      colour: colourClass(one.name, i),
    }));
    shown = { ...next, series };
    const limits = panel.thresholds.filter((one) => one.at !== null);
    chart.update({
      ...shown,
      stacked,
      limits,
      unit: words,
      keepsOrder: panel.lines.length > 0,
      zone: context.zone(),
      label: `${panel.title}, ${words.words}`,
    });
    fillLegend();
    const empty =
      next.times.length === 0 || series.every((one) => one.values.every((value) => !value));
    card.shown(empty ? emptyText(panel) : null);
  }
  return { ...card, update, now, close: chart.close };
}

function emptyText(panel) {
  if (panel.key === "errors_by_provider") return "No errors in this range.";
  if (panel.key === "cache_performance") return "No call asked the response cache.";
  return "No calls in this range.";
}

/** The legend's figure: what a rate adds up to, the latest of anything else. */
function summary(values, { times, step, from, to }, words) {
  if (words.total) {
    const sum = values.reduce((whole, value, i) => {
      const seconds = Math.min(times[i] + step, to) - Math.max(times[i], from);
      return whole + (value ?? 0) * Math.max(seconds, 1);
    }, 0);
    return count(Math.round(sum));
  }
  const last = values.findLast((value) => value !== null && value !== undefined);
  return last === undefined ? "–" : words.full(last);
}

function pickOf(panel, context, shown) {
  const [label, second] = panel.split_by;
  const dimension = DIMENSION_OF[label];
  if (!dimension) return undefined;
  return (name) => {
    if (name === REST) return;
    const one = shown().series.find((series) => series.name === name);
    if (second === "error_type") {
      const { provider, error_type } = one.labels;
      context.openCalls({
        filters: { ...context.state.filters, provider: [provider] },
        error_type,
      });
    } else {
      context.pick(dimension, one?.labels?.[label] ?? name);
    }
  };
}
