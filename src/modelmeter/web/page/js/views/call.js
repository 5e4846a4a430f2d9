// One call: how it ended, what it used, what that cost line by line, where its time went.

import { icon } from "../controls/icons.js";
import { h, place, replace } from "../dom.js";
import { exact, moneyExact, seconds } from "../format.js";
import { dataTable } from "../table.js";
import { full } from "../times.js";
import { costText, statusTag } from "./calls.js";

/** context: see main.js */
export function callView(context) {
  const host = h("div", { class: "call", "aria-busy": "true" });
  const element = h(
    "div",
    { class: "view" },
    h(
      "div",
      { class: "view-head" },
      h(
        "a",
        { class: "control back", href: context.callsHref({}), "data-link": true },
        icon("left"),
        "Calls",
      ),
      h("h1", {}, "Call"),
      h("code", { class: "call-id" }, context.state.id),
    ),
    host,
  );

  async function refresh() {
    const answer = await context.api.call(context.state.id);
    host.removeAttribute("aria-busy");
    if (answer === null) {
      replace(
        host,
        h(
          "div",
          { class: "card empty" },
          h("h2", {}, "No such call"),
          h("p", { class: "quiet" }, "The ledger has no call of this id, or it is not over yet."),
        ),
      );
      return;
    }
    replace(host, content(answer, context));
  }
  return { element, refresh, close() {}, everySeconds: () => 15 };
}

function content(answer, context) {
  const { call } = answer;
  return [
    summary(call),
    h(
      "div",
      { class: "call-grid" },
      facts(call, context),
      latency(call),
      price(answer, context),
      attempts(answer, context),
    ),
  ];
}

function summary(call) {
  const figure = (name, value) =>
    h("div", { class: "figure" }, h("dt", {}, name), h("dd", {}, value));
  return h(
    "dl",
    { class: "card figures" },
    figure("Outcome", statusTag(call)),
    figure("Cost", costText(call, moneyExact)),
    figure("Tokens", exact(call.tokens)),
    figure("Duration", seconds(call.duration)),
    call.cached && figure("Saved by the cache", moneyExact(call.saved)),
  );
}

function section(title, ...children) {
  return h(
    "section",
    { class: "card" },
    h("header", { class: "card-head" }, h("h2", {}, title)),
    children,
  );
}

function facts(call, context) {
  const row = (name, value) =>
    value !== null &&
    value !== undefined &&
    value !== "" && [h("dt", {}, name), h("dd", {}, value)];
  return section(
    "Who and what",
    h("dl", { class: "facts" }, [
      row("Began", full(call.startedAt, context.zone())),
      row("Agent", call.agent),
      row("Team", call.team),
      row("Tenant", call.tenant),
      row("Key", call.key),
      row("Provider", call.provider),
      row("Operation", call.operation),
      row("Model requested", call.modelRequested ?? call.model),
      row("Model asked instead", call.modelRequested && call.model),
      row("Model answered", call.modelAnswered),
      row("Answered as a stream", call.streamed ? "yes" : "no"),
      row(
        "From the cache",
        call.cached
          ? "yes"
          : call.cacheMiss
            ? `no: ${call.cacheMiss.replaceAll("_", " ")}`
            : "not asked",
      ),
      row("HTTP status", call.httpStatus),
      row("Error", call.error_type),
      row("Provider's request id", call.providerRequestId && h("code", {}, call.providerRequestId)),
      row("Note", call.note),
    ]),
  );
}

function latency(call) {
  const first = call.firstToken;
  const parts =
    first === null
      ? [["whole", "Until the whole answer", call.duration]]
      : [
          ["first", "Until the first token", first],
          ["rest", "From there to the end", Math.max(0, call.duration - first)],
        ];
  const whole = call.duration || 1;
  const bar = h(
    "div",
    { class: "split", "aria-hidden": "true" },
    parts.map(([kind, , value]) =>
      place(h("span", { class: `split-${kind}` }), { width: `${(value / whole) * 100}%` }),
    ),
  );
  return section(
    "Latency",
    bar,
    h(
      "dl",
      { class: "facts split-facts" },
      parts.map(([kind, name, value]) => [
        h("dt", {}, h("span", { class: `key split-${kind}` }), name),
        h("dd", {}, seconds(value)),
      ]),
      h("dt", {}, "Duration"),
      h("dd", {}, seconds(call.duration)),
    ),
  );
}

function price({ call, lines, source, since, corrections }, context) {
  const columns = [
    { title: "Tokens of kind", text: (line) => line.name },
    {
      title: "Tokens",
      align: "end",
      text: (line) => (line.tokens === null ? "" : exact(line.tokens)),
    },
    {
      title: "USD per million",
      align: "end",
      text: (line) => (line.rate === null ? "–" : moneyExact(line.rate)),
    },
    {
      title: "Cost",
      align: "end",
      text: (line) => (line.cost === null ? "–" : moneyExact(line.cost)),
    },
  ];
  const foot = {
    name: call.cached ? "Saved" : "In all",
    tokens: lines.reduce((sum, line) => sum + (line.tokens ?? 0), 0),
    rate: null,
    cost: call.cached ? call.saved : call.cost,
  };
  return section(
    "Tokens and price",
    lines.length > 0
      ? h(
          "div",
          {
            class: "table-scroll",
            tabindex: "0",
            role: "region",
            "aria-label": "Price line by line",
          },
          dataTable(columns, lines, { caption: "Price line by line", foot }),
        )
      : h("p", { class: "quiet" }, "No tokens were used."),
    h("p", { class: "price-source" }, source),
    since && h("p", { class: "price-source" }, since),
    corrections.map((one) => h("p", { class: "price-source" }, correctionText(one, context))),
  );
}

function correctionText({ at, before, after, reason }, context) {
  const change = `${moneyExact(before)} became ${moneyExact(after)}`;
  const why = reason ? ` (${reason})` : "";
  return `Priced again ${full(at, context.zone())}: ${change}${why}.`;
}

function attempts({ attempts: all, call }, context) {
  const columns = [
    {
      title: "Attempt",
      text: (one) => `${one.attempt + 1}`,
      cell: (one) => attemptCell(one, call, context),
    },
    { title: "Began", text: (one) => full(one.startedAt, context.zone()) },
    { title: "Provider", text: (one) => one.provider },
    { title: "Outcome", text: (one) => one.status, cell: statusTag },
    { title: "Duration", align: "end", text: (one) => seconds(one.duration) },
    { title: "Cost", align: "end", text: costText },
  ];
  return section(
    all.length === 1 ? "One attempt" : `${all.length} attempts of one request`,
    h(
      "div",
      { class: "table-scroll", tabindex: "0", role: "region", "aria-label": "Attempts" },
      dataTable(columns, all, { caption: "Attempts" }),
    ),
  );
}

function attemptCell(one, call, context) {
  const text = `${one.attempt + 1}`;
  if (one.id === call.id) return h("strong", {}, `${text} (this)`);
  return h("a", { href: context.callHref(one.id), "data-link": true }, text);
}
