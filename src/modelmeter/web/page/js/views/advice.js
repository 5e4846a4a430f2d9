// What to do about cost: each piece of advice with its figure in USD.

import { icon } from "../controls/icons.js";
import { h, replace } from "../dom.js";
import { money } from "../format.js";

/** context: see main.js */
export function adviceView(context) {
  const host = h("div", { class: "advice-list", "aria-busy": "true" });
  const note = h("p", { class: "quiet" });
  const element = h("div", { class: "view" }, h("div", { class: "view-head" }, h("h1", {}, "Advice")), note, host);

  async function refresh() {
    const { advice, basis } = await context.api.advice();
    host.removeAttribute("aria-busy");
    note.textContent = basis;
    replace(host, advice.length > 0 ? advice.map((one) => card(one, context)) : nothing());
  }
  return { element, refresh, close() {}, everySeconds: () => 60 };
}

function card(one, context) {
  return h(
    "article",
    { class: "card advice", "data-kind": one.kind },
    h("div", { class: "advice-text" }, h("p", { class: "advice-kind" }, one.kindName), h("h2", {}, one.title), h("p", {}, one.detail)),
    h(
      "div",
      { class: "advice-side" },
      one.saving !== null && h("p", { class: "advice-figure" }, money(one.saving), h("span", { class: "quiet" }, one.savingWords)),
      one.filters && h("a", { class: "control", href: context.callsHref({ filters: one.filters, ...one.parts }), "data-link": true }, "The calls"),
    ),
  );
}

function nothing() {
  return h(
    "section",
    { class: "card empty" },
    icon("check"),
    h("h2", {}, "Nothing to advise"),
    h("p", { class: "quiet" }, "No cheaper model, poor cache, unpriced model or costly retry stands out in this time."),
  );
}
