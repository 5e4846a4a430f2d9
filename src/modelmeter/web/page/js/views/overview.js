// The thirteen panels: four figures, then what lies behind them.

import { h, replace } from "../dom.js";
import { everything, statsOf, underWay } from "../overview_data.js";
import { sharePanel } from "../panels/share_panel.js";
import { statPanel } from "../panels/stat_panel.js";
import { timePanel } from "../panels/time_panel.js";
import { emptyRange, firstCall } from "./empty.js";

const MAKERS = {
  stat: statPanel,
  lines: timePanel,
  stacked: timePanel,
  pie: sharePanel,
  bars: sharePanel,
};
const HOUR = 3600;

/** context: see main.js */
export function overviewView(context) {
  const host = h(
    "div",
    { class: "view overview" },
    h("h1", { class: "visually-hidden" }, "LLM Usage Dashboard"),
  );
  const notice = h("div", { class: "overview-notice" });
  const groups = new Map();
  const panels = new Map();
  let sparks = null;
  let lengthSeconds = 0;
  host.append(notice);
  for (const panel of context.panels()) {
    const made = MAKERS[panel.chart](panel, context);
    made.element.setAttribute("aria-busy", "true");
    panels.set(panel.key, made);
    groupOf(panel.group).append(made.element);
  }

  function groupOf(name) {
    if (!groups.has(name)) {
      const grid = h("div", { class: "grid" });
      groups.set(name, grid);
      host.append(h("section", { class: "group", "aria-label": name }, h("h2", {}, name), grid));
    }
    return groups.get(name);
  }

  /** Only the figures, as the stream brings them. */
  function figures(summary) {
    const stats = statsOf(
      summary,
      sparks,
      context.panels(),
      context.state.span ? null : context.state.range,
    );
    for (const [key, stat] of Object.entries(stats)) panels.get(key)?.update(stat);
    panels.get("active_requests")?.now(underWay(summary));
    const first = summary.newest_seq === 0;
    host.classList.toggle("before-first", first);
    if (first) {
      if (!notice.querySelector(".first-call")) replace(notice, firstCall(context));
    } else {
      replace(
        notice,
        summary.total.calls === 0 && h("div", { class: "card" }, emptyRange(context)),
        warningsOf(summary, context),
      );
    }
  }

  async function refresh() {
    const answer = await everything(context.api);
    sparks = answer.sparks;
    lengthSeconds = answer.series.request_latency.to - answer.series.request_latency.from;
    figures(answer.summary);
    for (const [key, series] of Object.entries(answer.series)) panels.get(key)?.update(series);
    for (const [key, parts] of Object.entries(answer.parts)) panels.get(key)?.update(parts);
  }

  function close() {
    for (const made of panels.values()) made.close();
  }

  return {
    element: host,
    refresh,
    figures,
    close,
    /** The figures come by the stream; charts of long ranges change slowly. */
    everySeconds: () => (lengthSeconds <= HOUR ? 2 : lengthSeconds <= 24 * HOUR ? 10 : 30),
  };
}

function warningsOf(summary, context) {
  return summary.warnings.map((warning) =>
    h(
      "p",
      { class: "notice notice-warning", "data-code": warning.code },
      warning.message,
      " ",
      h("a", { href: context.href({ view: "advice" }), "data-link": true }, "See advice"),
    ),
  );
}
