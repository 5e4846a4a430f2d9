// The calls behind a number, the newest first.

import { colourClass } from "../charts/palette.js";
import { h, replace } from "../dom.js";
import { count, money, seconds } from "../format.js";
import { dataTable, tableData } from "../table.js";
import { full, clockSeconds, day } from "../times.js";
import { exportButton } from "./breakdown.js";
import { emptyTable } from "./empty.js";

const STATUSES = {
  any_error: "any error: all but success",
  failed: "failed: error, timeout, unknown",
  ...Object.fromEntries(
    ["success", "error", "timeout", "cancelled", "blocked", "unknown"].map((one) => [one, one]),
  ),
};

/** context: see main.js */
export function callsView(context) {
  const chooser = h(
    "select",
    {
      class: "control",
      "aria-label": "Status",
      on: {
        change: (event) => context.go({ status: event.target.value || null, error_type: null }),
      },
    },
    h("option", { value: "" }, "All statuses"),
    Object.entries(STATUSES).map(([status, text]) => h("option", { value: status }, text)),
  );
  const reason = h("span", {});
  const host = h("div", { "aria-busy": "true" });
  const scroller = h("div", {
    class: "table-scroll",
    tabindex: "0",
    role: "region",
    "aria-label": "Calls",
  });
  const older = h("div", { class: "pager" });
  const element = h(
    "div",
    { class: "view" },
    h(
      "div",
      { class: "view-head" },
      h("h1", {}, "Calls"),
      chooser,
      reason,
      exportButton(() => ({ name: "calls.csv", ...data() })),
    ),
    host,
    older,
  );
  let calls = [];

  async function refresh() {
    const { state } = context;
    chooser.value = state.status ?? "";
    replace(reason, state.error_type && reasonChip(context));
    const answer = await context.api.calls();
    calls = answer.calls;
    const empty = calls.length === 0 && (await emptyTable(context));
    host.removeAttribute("aria-busy");
    if (empty) replace(host, empty);
    else draw();
    replace(
      older,
      state.before &&
        h(
          "a",
          { class: "control", href: context.href({ before: null }), "data-link": true },
          "Newest",
        ),
      answer.next &&
        h(
          "a",
          { class: "control", href: context.href({ before: answer.next }), "data-link": true },
          "Older",
        ),
    );
  }

  function draw() {
    if (!scroller.isConnected) replace(host, h("div", { class: "card table-card" }, scroller));
    replace(
      scroller,
      dataTable(callColumns(context), calls, {
        caption: "Calls, newest first",
        rowId: (call) => call.id,
      }),
    );
  }

  function data() {
    return tableData(callColumns(context), calls);
  }
  return { element, refresh, close() {}, everySeconds: () => 1 };
}

/** How a call ended, in colour and in words. */
export function statusTag(call) {
  const more = call.cached ? "cached" : call.error_type;
  const text = more && more !== call.status ? `${call.status} · ${more}` : call.status;
  return h("span", { class: `status status-${call.status}` }, text);
}

function reasonChip(context) {
  return h(
    "button",
    {
      type: "button",
      class: "chip",
      "aria-label": `Remove the filter error type ${context.state.error_type}`,
      on: { click: () => context.go({ error_type: null }) },
    },
    h("span", { class: "chip-kind" }, "Error type"),
    h("span", { class: "chip-name" }, context.state.error_type),
    "×",
  );
}

/** The columns of a list of calls. */
function callColumns(context) {
  const zone = context.zone();
  return [
    {
      key: "time",
      title: "Time",
      file: "started_at",
      text: (call) => full(call.startedAt, zone),
      raw: (call) => call.startedAtText,
      cell: (call) =>
        h(
          "a",
          {
            href: context.callHref(call.id),
            "data-link": true,
            "data-key": call.id,
            class: "time-link",
            title: full(call.startedAt, zone),
          },
          h("span", { class: "quiet" }, day(call.startedAt, zone)),
          clockSeconds(call.startedAt, zone),
        ),
    },
    {
      key: "agent",
      title: "Agent",
      text: (call) => call.agent,
      cell: (call) =>
        h(
          "span",
          { class: "name-text" },
          h("span", { class: `key ${colourClass(call.agent)}` }),
          call.agent,
        ),
    },
    {
      key: "model",
      title: "Model",
      text: (call) => call.model,
      cell: (call) => h("span", { class: "name-text" }, call.model),
      hide: "narrow",
    },
    { key: "provider", title: "Provider", text: (call) => call.provider, hide: "middle" },
    { key: "status", title: "Status", text: (call) => call.status, cell: statusTag },
    {
      key: "tokens",
      title: "Tokens",
      align: "end",
      hide: "narrow",
      text: (call) => count(call.tokens),
      raw: (call) => call.tokens,
    },
    {
      key: "first",
      title: "First token",
      file: "time_to_first_token_seconds",
      align: "end",
      hide: "middle",
      text: (call) => (call.firstToken === null ? "–" : seconds(call.firstToken)),
      raw: (call) => call.firstToken,
    },
    {
      key: "duration",
      title: "Duration",
      file: "duration_seconds",
      align: "end",
      hide: "narrow",
      text: (call) => seconds(call.duration),
      raw: (call) => call.duration,
    },
    {
      key: "cost",
      title: "Cost",
      file: "cost_usd",
      align: "end",
      text: (call) => costText(call),
      raw: (call) => call.cost,
    },
  ];
}

/** A cost that cannot be trusted says so. */
export function costText(call, write = money) {
  if (call.costState === "unpriced") return "unpriced";
  return `${call.costState === "estimated" ? "≈ " : ""}${write(call.cost)}`;
}
