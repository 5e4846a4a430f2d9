// What to do about cost: by kind, each piece of advice with its figure in USD.

import { icon } from "../controls/icons.js";
import { h, replace } from "../dom.js";
import { count, money } from "../format.js";

const SHOWN_FIRST = 4;

/** context: see main.js */
export function adviceView(context) {
  const host = h("div", { class: "advice-list", "aria-busy": "true" });
  const note = h("p", { class: "quiet" });
  const element = h(
    "div",
    { class: "view" },
    h("div", { class: "view-head" }, h("h1", {}, "Advice"), note),
    host,
  );
  const unfolded = new Set();
  let groups = [];

  async function refresh() {
    const { advice, basis } = await context.api.advice();
    host.removeAttribute("aria-busy");
    note.textContent = basis;
    groups = grouped(advice);
    draw();
  }

  function draw() {
    replace(
      host,
      groups.length > 0
        ? groups.map((group) => section(group, unfolded, context, draw))
        : nothing(),
    );
  }
  return { element, refresh, close() {}, everySeconds: () => 60 };
}

/** The kinds with what belongs to each, the kind of the largest figure first. */
function grouped(advice) {
  const groups = new Map();
  for (const one of advice) {
    if (!groups.has(one.kind))
      groups.set(one.kind, { kind: one.kind, name: one.kindName, items: [] });
    groups.get(one.kind).items.push(one);
  }
  return [...groups.values()];
}

function section(group, unfolded, context, draw) {
  const all = unfolded.has(group.kind);
  const shown = all ? group.items : group.items.slice(0, SHOWN_FIRST);
  const unfold = () => {
    unfolded.add(group.kind);
    draw();
  };
  return h(
    "section",
    { class: "card advice", "data-kind": group.kind },
    h(
      "header",
      { class: "card-head" },
      h("h2", {}, group.name),
      h("span", { class: "card-unit" }, String(group.items.length)),
    ),
    h(
      "ul",
      { role: "list" },
      shown.map((one) => item(one, context)),
    ),
    shown.length < group.items.length &&
      h(
        "button",
        { type: "button", class: "control", "data-key": group.kind, on: { click: unfold } },
        `Show all ${group.items.length}`,
      ),
  );
}

function item(one, context) {
  const { filters, status } = one;
  const href = context.callsHref({ filters, status, range: "7d", span: null });
  return h(
    "li",
    { class: "advice-item" },
    h(
      "div",
      { class: "advice-text" },
      h("h3", {}, one.title),
      h("p", {}, prose(one.detail)),
      one.alternatives.length > 0 && alternatives(one),
    ),
    h(
      "div",
      { class: "advice-side" },
      h(
        "p",
        { class: "advice-figure" },
        `${one.isEstimate ? "≈ " : ""}${money(one.figure)}`,
        h("span", { class: "quiet" }, one.savingWords),
      ),
      h(
        "a",
        { href, "data-link": true, "data-key": one.title },
        one.calls === 1 ? "1 call" : `${count(one.calls)} calls`,
      ),
    ),
  );
}

function alternatives(one) {
  return h(
    "dl",
    { class: "alternatives" },
    h("div", {}, h("dt", {}, "now"), h("dd", {}, money(one.cost))),
    one.alternatives.map((other) =>
      h("div", {}, h("dt", {}, other.model), h("dd", {}, money(other.cost))),
    ),
  );
}

/** Text in which what stands between backticks is a command. */
function prose(text) {
  return text.split("`").map((part, i) => (i % 2 === 1 ? h("code", {}, part) : part));
}

function nothing() {
  return h(
    "section",
    { class: "card empty" },
    icon("check"),
    h("h2", {}, "Nothing to advise"),
    h(
      "p",
      { class: "quiet" },
      "No cheaper model, poor cache, unpriced model or costly failure stands out in this time.",
    ),
  );
}
