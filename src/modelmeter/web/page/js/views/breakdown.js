// A table of teams, agents, models, providers or tenants, with the change against the time before.

import { colourClass } from "../charts/palette.js";
import { LABELS } from "../controls/filters.js";
import { icon } from "../controls/icons.js";
import { h, place, replace } from "../dom.js";
import { saveCsv } from "../export.js";
import { count, growthText, money, percent, seconds } from "../format.js";
import { DIMENSIONS, toggled } from "../state.js";
import { dataTable, sorted, tableData } from "../table.js";
import { emptyTable } from "./empty.js";

const NOTHING = "–";
const SORT_USUAL = "cost";

/** context: see main.js */
export function breakdownView(context) {
  const tabs = h("div", { class: "segments", role: "group", "aria-label": "Rows" });
  const host = h("div", { "aria-busy": "true" });
  const scroller = h("div", { class: "table-scroll", tabindex: "0", role: "region" });
  const element = h(
    "div",
    { class: "view" },
    h(
      "div",
      { class: "view-head" },
      h("h1", {}, "Breakdown"),
      tabs,
      exportButton(() => data()),
    ),
    host,
  );
  let answer = null;

  async function refresh() {
    showTabs();
    answer = await context.api.breakdown(by());
    const empty = answer.rows.length === 0 && (await emptyTable(context));
    host.removeAttribute("aria-busy");
    if (empty) replace(host, empty);
    else draw();
  }

  function by() {
    return DIMENSIONS.includes(context.state.by) ? context.state.by : "team";
  }

  function showTabs() {
    replace(
      tabs,
      DIMENSIONS.map((dimension) =>
        h(
          "button",
          {
            type: "button",
            "aria-pressed": String(dimension === by()),
            "data-by": dimension,
            "data-key": dimension,
            on: { click: () => context.go({ by: dimension }) },
          },
          `${LABELS[dimension]}s`,
        ),
      ),
    );
  }

  function draw() {
    const columns = columnsOf(by(), context);
    const order = orderOf(context.state.sort);
    scroller.setAttribute("aria-label", `By ${by()}`);
    if (!scroller.isConnected) replace(host, h("div", { class: "card table-card" }, scroller));
    replace(
      scroller,
      dataTable(columns, sorted(columns, answer.rows, order), {
        caption: `Cost, calls, tokens, errors and latency by ${by()}`,
        sort: order,
        onSort: (key) => context.go({ sort: nextSort(order, key) }, { replaces: true }),
        foot: { ...answer.total, name: "Total", isTotal: true },
        rowId: (row) => row.name,
      }),
    );
  }

  function data() {
    const columns = columnsOf(by(), context);
    return {
      name: `by-${by()}.csv`,
      ...tableData(columns, sorted(columns, answer?.rows ?? [], orderOf(context.state.sort))),
    };
  }

  return { element, refresh, close() {}, everySeconds: () => 4 };
}

/** A button that saves `{name, columns, rows}`. */
export function exportButton(data) {
  const save = () => {
    const { name, ...table } = data();
    saveCsv(name, table);
  };
  return h(
    "button",
    { type: "button", class: "control export", on: { click: save } },
    icon("download"),
    "CSV",
  );
}

function orderOf(text) {
  if (!text) return { key: SORT_USUAL, descending: true };
  return { key: text.replace(/^-/, ""), descending: text.startsWith("-") };
}

function nextSort(order, key) {
  if (order.key !== key) return key === "name" ? "name" : `-${key}`;
  return order.descending ? key : `-${key}`;
}

function columnsOf(by, context) {
  const share = (row) => (row.isTotal ? 1 : (row.share ?? 0));
  return [
    {
      key: "name",
      title: LABELS[by],
      text: (row) => row.name,
      cell: (row) => nameOf(row) ?? nameCell(by, row, context),
    },
    {
      key: "cost",
      title: "Cost",
      file: "cost_usd",
      align: "end",
      text: (row) => money(row.cost),
      raw: (row) => row.costExact,
    },
    {
      key: "share",
      title: "Share",
      align: "end",
      hide: "narrow",
      text: (row) => percent(share(row)),
      raw: share,
      cell: (row) =>
        h(
          "span",
          { class: "share-cell" },
          shareBar(share(row)),
          h("span", {}, percent(share(row))),
        ),
    },
    {
      key: "change",
      title: "Change",
      file: "cost_change",
      align: "end",
      text: (row) => growthText(row.growth) ?? "new",
      raw: (row) => row.growth,
      cell: (row) => !row.isTotal && changeCell(row),
    },
    number("calls", "Calls", (row) => row.calls, count),
    number("tokens", "Tokens", (row) => row.tokens, count, "narrow"),
    number("errors", "Errors", (row) => row.errors, count, "narrow"),
    number("error_rate", "Error rate", (row) => row.errorRate, percent),
    number("cached", "Cache hits", (row) => row.cacheHitRate, percent, "middle"),
    number("p50", "p50", (row) => (row.isTotal ? undefined : row.p50), seconds, "narrow"),
    number("p99", "p99", (row) => (row.isTotal ? undefined : row.p99), seconds),
    {
      key: "links",
      title: "Open",
      sort: false,
      align: "end",
      text: () => "",
      cell: (row) => nameOf(row) === null && callsLink(by, row, context),
    },
  ].filter(Boolean);
}

/** A column of numbers: null where there was nothing to take one of, undefined where none fits. */
function number(key, title, value, write, hide) {
  const text = (row) => {
    const known = value(row);
    if (known === undefined) return "";
    return known === null ? NOTHING : write(known);
  };
  return { key, title, align: "end", hide, text, raw: value };
}

/** How a row is called that is no group of its own; else null. */
function nameOf(row) {
  if (row.isTotal) return "Total";
  return row.isRest ? "all others" : null;
}

function nameCell(by, row, context) {
  return h(
    "button",
    {
      type: "button",
      class: "name-cell",
      "data-key": `name ${row.name}`,
      title: `Filter by ${row.name}`,
      on: {
        click: () =>
          context.go({ view: "overview", filters: toggled(context.state.filters, by, row.name) }),
      },
    },
    h("span", { class: `key ${colourClass(row.name)}` }),
    h("span", {}, row.name || "(none)"),
  );
}

function changeCell({ growth, cost }) {
  if (growth === null) return h("span", { class: "quiet" }, cost ? "new" : "–");
  const way = growth > 0.001 ? "up" : growth < -0.001 ? "down" : "same";
  return h(
    "span",
    { class: `change change-${way}`, title: "cost against the period before" },
    growthText(growth),
  );
}

function shareBar(share) {
  const bar = h("span", { class: "mini-bar" }, h("span", { class: "mini-fill" }));
  place(bar.firstChild, { width: `${Math.max(1, share * 100)}%` });
  return bar;
}

function callsLink(by, row, context) {
  const filters = { ...context.state.filters, [by]: [row.name] };
  return h(
    "a",
    {
      href: context.callsHref({ filters }),
      "data-link": true,
      "data-key": `calls ${row.name}`,
      "aria-label": `Calls of ${row.name}`,
    },
    "Calls",
  );
}
