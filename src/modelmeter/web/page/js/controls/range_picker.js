// Which span of time, and in whose zone.

import { h } from "../dom.js";
import { RANGES, rangeName } from "../state.js";
import { dayAndClock, fromInput, inputValue, viewersZone } from "../times.js";
import { icon } from "./icons.js";
import { popover } from "./popover.js";

/** context: {state, zone(), companyZone(), go(parts)} */
export function rangePicker(context) {
  const box = popover({
    className: "range",
    content: (close) => content(context, close),
    label: "",
    end: true,
  });
  function refresh() {
    const { state } = context;
    const text = state.span
      ? `${dayAndClock(state.span.from, context.zone())} – ${dayAndClock(state.span.to, context.zone())}`
      : rangeName(state);
    box.label(icon("clock"), h("span", { class: "range-name" }, text), icon("down"));
    box.button.setAttribute("aria-label", `Time range: ${text}`);
  }
  return { element: box.element, refresh };
}

function content(context, close) {
  const { state } = context;
  const choose = (parts) => {
    close({ focus: true });
    context.go(parts);
  };
  return h(
    "div",
    { class: "range-panel" },
    h(
      "ul",
      { class: "choices", role: "list" },
      RANGES.map(([name, text]) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "choice",
              "aria-pressed": String(!state.span && state.range === name),
              "data-range": name,
              on: { click: () => choose({ range: name, span: null }) },
            },
            text,
          ),
        ),
      ),
    ),
    h("div", { class: "range-side" }, customForm(context, choose), zoneChoice(context, choose)),
  );
}

function customForm(context, choose) {
  const zone = context.zone();
  const now = Math.floor(Date.now() / 1000);
  const { from, to } = context.state.span ?? { from: now - 86_400, to: now };
  const first = h("input", {
    type: "datetime-local",
    name: "from",
    value: inputValue(from, zone),
    required: true,
  });
  const last = h("input", {
    type: "datetime-local",
    name: "to",
    value: inputValue(to, zone),
    required: true,
  });
  const fault = h(
    "p",
    { class: "fault", role: "alert", hidden: true },
    "The end must lie behind the start.",
  );
  return h(
    "form",
    {
      class: "range-custom",
      on: {
        submit: (event) => {
          event.preventDefault();
          const span = { from: fromInput(first.value, zone), to: fromInput(last.value, zone) };
          if (span.to <= span.from) fault.hidden = false;
          else choose({ span });
        },
      },
    },
    h("label", {}, "From", first),
    h("label", {}, "To", last),
    fault,
    h("button", { type: "submit", class: "primary" }, "Apply"),
  );
}

function zoneChoice(context, choose) {
  const options = [
    ["viewer", `Your time zone (${viewersZone()})`],
    ["company", `Company's time zone (${context.companyZone()})`],
  ];
  return h(
    "fieldset",
    { class: "zones" },
    h("legend", {}, "Times are shown in"),
    options.map(([value, text]) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name: "zone",
          value,
          checked: context.state.zone === value,
          on: { change: () => choose({ zone: value }) },
        }),
        text,
      ),
    ),
  );
}
