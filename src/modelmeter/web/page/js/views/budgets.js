// Budgets: what is settled and reserved of each, where it will end, who spends it.

import { colourClass } from "../charts/palette.js";
import { h, place, replace } from "../dom.js";
import { count, money, span } from "../format.js";
import { clockSeconds, day, dayAndClock } from "../times.js";

const SPENDERS_SHOWN = 5;
const RECENT_SHOWN = 3;
const MARKS = {
  blocked: "refused",
  downgraded: "cheaper model",
  overrun: "cost more",
  shadow: "would refuse",
};

/** context: see main.js */
export function budgetsView(context) {
  const host = h("div", { class: "budgets", "aria-busy": "true" });
  const element = h(
    "div",
    { class: "view" },
    h("div", { class: "view-head" }, h("h1", {}, "Budgets")),
    host,
  );

  async function refresh() {
    const budgets = await context.api.budgets();
    host.removeAttribute("aria-busy");
    replace(host, budgets.length > 0 ? budgets.map((budget) => card(budget, context)) : none());
  }
  return { element, refresh, close() {}, everySeconds: () => 2 };
}

function card(budget, context) {
  const amount = budget.unit === "usd" ? money : (value) => count(Math.round(value));
  const level = levelOf(budget.share);
  return h(
    "section",
    { class: "card budget", "data-budget": budget.name, "data-level": level },
    h(
      "header",
      { class: "card-head" },
      h("h2", {}, budget.name),
      h("span", { class: "card-unit" }, windowText(budget)),
    ),
    h("p", { class: "budget-scope" }, scopeText(budget)),
    h(
      "p",
      { class: "budget-figure" },
      h("strong", {}, amount(budget.settled)),
      h(
        "span",
        { class: "quiet" },
        ` of ${amount(budget.limit)}${budget.unit === "usd" ? "" : ` ${budget.unit}`}`,
      ),
      h("span", { class: `level level-${level}` }, budget.percentText),
    ),
    gauge(budget, amount),
    h(
      "dl",
      { class: "budget-facts" },
      fact("Settled", amount(budget.settled), "settled"),
      fact("Reserved", amount(budget.reserved), "reserved"),
      budget.forecast !== null && fact("Forecast", amount(budget.forecast), "forecast"),
      fact("Left", amount(Math.max(0, budget.remaining))),
      budget.refused > 0 && fact("Refused", count(budget.refused)),
      budget.downgraded > 0 && fact("Downgraded", count(budget.downgraded)),
    ),
    h("p", { class: "quiet" }, resetText(budget, context)),
    budget.spenders.length > 0 && spenders(budget, amount, context),
    budget.recent.length > 0 && recent(budget, context),
  );
}

function fact(name, value, kind) {
  return h(
    "div",
    {},
    h("dt", {}, kind && h("span", { class: `key gauge-${kind}` }), name),
    h("dd", {}, value),
  );
}

/** A bar from 0 to the limit, or to the forecast where that lies beyond. */
function gauge(budget, amount) {
  const end = Math.max(
    budget.limit,
    budget.settled + budget.reserved,
    Math.min(budget.forecast ?? 0, budget.limit * 1.5),
  );
  const width = (value) => `${Math.min(100, (value / end) * 100)}%`;
  const settled = place(h("span", { class: "gauge-settled" }), { width: width(budget.settled) });
  const reserved = place(h("span", { class: "gauge-reserved" }), {
    left: width(budget.settled),
    width: width(budget.reserved),
  });
  const marks = budget.thresholds.map((threshold) =>
    place(h("span", { class: "gauge-threshold", title: `${threshold} %` }), {
      left: width((budget.limit * threshold) / 100),
    }),
  );
  const forecast =
    budget.forecast !== null &&
    place(h("span", { class: "gauge-forecast", title: `forecast ${amount(budget.forecast)}` }), {
      left: width(budget.forecast),
    });
  return h(
    "div",
    {
      class: "gauge",
      role: "meter",
      "aria-label": `${budget.name}: settled`,
      "aria-valuemin": "0",
      "aria-valuemax": String(budget.limit),
      "aria-valuenow": String(Math.min(budget.settled, budget.limit)),
      "aria-valuetext": `${amount(budget.settled)} of ${amount(budget.limit)}`,
    },
    settled,
    reserved,
    marks,
    forecast,
  );
}

function spenders(budget, amount, context) {
  const shown = budget.spenders.slice(0, SPENDERS_SHOWN);
  const most = shown[0].value || 1;
  return h(
    "div",
    { class: "spenders" },
    h("h3", {}, "Who spends it"),
    h(
      "ul",
      { role: "list" },
      shown.map((one) => {
        const bar = place(h("span", { class: "mini-fill" }), {
          width: `${Math.max(1, (one.value / most) * 100)}%`,
        });
        return h(
          "li",
          {},
          h(
            "a",
            {
              href: context.callsHref({ filters: { agent: [one.name] } }),
              "data-link": true,
              "data-key": `${budget.name} ${one.name}`,
            },
            one.name,
          ),
          h("span", { class: `mini-bar ${colourClass(one.name)}` }, bar),
          h("span", { class: "legend-value" }, amount(one.value)),
        );
      }),
    ),
  );
}

/** The calls that it stopped or had made otherwise last. */
function recent(budget, context) {
  return h(
    "div",
    { class: "spenders lately" },
    h("h3", {}, "What it did lately"),
    h(
      "ul",
      { role: "list" },
      budget.recent.slice(0, RECENT_SHOWN).map((one) =>
        h(
          "li",
          {},
          h(
            "a",
            {
              href: context.callHref(one.call),
              "data-link": true,
              "data-key": `${budget.name} ${one.call}`,
            },
            one.agent,
          ),
          when(one.at, context.zone()),
          h("span", { class: "legend-value" }, MARKS[one.mark]),
        ),
      ),
    ),
  );
}

function when(moment, zone) {
  return h(
    "span",
    { class: "time-link" },
    h("span", { class: "quiet" }, day(moment, zone)),
    clockSeconds(moment, zone),
  );
}

function windowText({ window, windowSeconds }) {
  return window === "rolling"
    ? `rolling, ${span(windowSeconds)}`
    : `${window === "hour" ? "an" : "a"} ${window}`;
}

function levelOf(share) {
  if (share >= 1) return "critical";
  if (share >= 0.8) return "warning";
  return share >= 0.5 ? "notice" : "good";
}

function scopeText(budget) {
  const parts = Object.entries(budget.scope).map(([kind, name]) => `${kind} ${name}`);
  const end = {
    block: "refuses calls at the limit",
    alert: "alerts only",
    downgrade: "takes a cheaper model at the limit",
  };
  const limit = budget.shadow ? "only counts what it would refuse" : end[budget.atLimit];
  const extra = budget.extra > 0 ? " · with an extra for a while" : "";
  return `${parts.length > 0 ? parts.join(", ") : "every call"} · ${limit}${extra}`;
}

function resetText(budget, context) {
  if (budget.resetsAt === null) return "A rolling window: it frees itself little by little.";
  const left = budget.resetsAt - Date.now() / 1000;
  return `Resets in ${span(Math.max(0, left))}, ${dayAndClock(budget.resetsAt, context.zone())}`;
}

function none() {
  const example = [
    "[[budgets]]",
    'name = "meetmind-daily"',
    'team = "meetmind"',
    'window = "day"',
    'limit_usd = "50.00"',
    'at_limit = "block"',
  ].join("\n");
  return h(
    "section",
    { class: "card first-call" },
    h("h2", {}, "No budgets yet"),
    h(
      "p",
      {},
      "A budget warns at 50, 80 and 100 % of its limit and can refuse calls there. Add one to modelmeter.toml:",
    ),
    h("div", { class: "snippet" }, h("pre", { tabindex: "0" }, h("code", {}, example))),
  );
}
