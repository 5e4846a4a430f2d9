// Filters by agent, team, model, provider and tenant: several names each, and chips to drop them.

import { h, replace } from "../dom.js";
import { DIMENSIONS } from "../state.js";
import { icon } from "./icons.js";
import { popover } from "./popover.js";

const SEARCH_FROM = 8;
const NAMELESS = "(none)";

export const LABELS = {
  agent: "Agent",
  team: "Team",
  model: "Model",
  provider: "Provider",
  tenant: "Tenant",
};

/** context: {state, names(), go(parts)} */
export function filterBar(context) {
  const boxes = DIMENSIONS.map((dimension) => [
    dimension,
    popover({
      label: "",
      className: "filter",
      content: (close) => choices(context, dimension, close),
    }),
  ]);
  const chips = h("ul", { class: "chips", role: "list", "aria-label": "Active filters" });
  const element = h("div", { class: "filters", role: "group", "aria-label": "Filters" }, [
    ...boxes.map(([, box]) => box.element),
  ]);

  function refresh() {
    for (const [dimension, box] of boxes) {
      const chosen = context.state.filters[dimension] ?? [];
      box.label(
        LABELS[dimension],
        chosen.length > 0 && h("span", { class: "badge" }, String(chosen.length)),
        icon("down"),
      );
      box.button.classList.toggle("active", chosen.length > 0);
      box.button.setAttribute(
        "aria-label",
        `${LABELS[dimension]} filter, ${chosen.length || "none"} chosen`,
      );
      box.button.dataset.dimension = dimension;
      box.element.hidden = context.names()[dimension]?.length < 2 && chosen.length === 0;
    }
    const active = DIMENSIONS.flatMap((dimension) =>
      (context.state.filters[dimension] ?? []).map((name) => chip(context, dimension, name)),
    );
    replace(
      chips,
      active,
      active.length > 1 &&
        h(
          "li",
          {},
          h(
            "button",
            { type: "button", class: "link", on: { click: () => context.go({ filters: {} }) } },
            "Clear all",
          ),
        ),
    );
    chips.hidden = active.length === 0;
  }
  return { element, chips, refresh };
}

function chip(context, dimension, name) {
  return h(
    "li",
    {},
    h(
      "button",
      {
        type: "button",
        class: "chip",
        "data-key": `${dimension} ${name}`,
        "aria-label": `Remove the filter ${LABELS[dimension]} ${name}`,
        on: {
          click: () => context.go({ filters: without(context.state.filters, dimension, name) }),
        },
      },
      h("span", { class: "chip-kind" }, LABELS[dimension]),
      h("span", { class: "chip-name" }, name || NAMELESS),
      icon("close"),
    ),
  );
}

function choices(context, dimension, close) {
  const chosen = new Set(context.state.filters[dimension] ?? []);
  const names = [...new Set([...(context.names()[dimension] ?? []), ...chosen])].sort();
  const list = h("div", { class: "checks" });
  const show = (text) => {
    const wanted = text.trim().toLowerCase();
    replace(
      list,
      names
        .filter((name) => name.toLowerCase().includes(wanted))
        .map((name) => check(name, chosen)),
    );
    if (!list.firstChild) replace(list, h("p", { class: "quiet" }, "No such name."));
  };
  show("");
  const apply = () => {
    close({ focus: true });
    context.go({ filters: withNames(context.state.filters, dimension, [...chosen]) });
  };
  return h(
    "form",
    {
      class: "filter-panel",
      on: {
        submit: (event) => {
          event.preventDefault();
          apply();
        },
      },
    },
    names.length >= SEARCH_FROM &&
      h("input", {
        type: "search",
        placeholder: "Search",
        "aria-label": `Search ${LABELS[dimension]}`,
        on: { input: (event) => show(event.target.value) },
      }),
    h("fieldset", {}, h("legend", { class: "visually-hidden" }, LABELS[dimension]), list),
    h(
      "div",
      { class: "filter-actions" },
      h(
        "button",
        {
          type: "button",
          class: "link",
          on: {
            click: () => {
              chosen.clear();
              apply();
            },
          },
        },
        "All",
      ),
      h("button", { type: "submit", class: "primary" }, "Apply"),
    ),
  );
}

function check(name, chosen) {
  return h(
    "label",
    { class: "check" },
    h("input", {
      type: "checkbox",
      value: name,
      checked: chosen.has(name),
      on: { change: (event) => (event.target.checked ? chosen.add(name) : chosen.delete(name)) },
    }),
    h("span", {}, name || NAMELESS),
  );
}

function without(filters, dimension, name) {
  return withNames(
    filters,
    dimension,
    (filters[dimension] ?? []).filter((other) => other !== name),
  );
}

function withNames(filters, dimension, names) {
  const next = { ...filters };
  if (names.length > 0) next[dimension] = names;
  else delete next[dimension];
  return next;
}
