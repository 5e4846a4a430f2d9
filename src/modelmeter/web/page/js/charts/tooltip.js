// The box beside the pointer: a heading and one line a series.

import { h, place, replace } from "../dom.js";

const GAP = 16;
const LINES_MAX = 14;

/** A box inside `host`; `show(x, heading, lines)` and `hide()`. */
export function tooltip(host) {
  const box = h("div", { class: "tooltip", hidden: true, "aria-hidden": "true" });
  host.append(box);
  return {
    show(x, heading, lines) {
      const rest = lines.length - LINES_MAX;
      replace(
        box,
        h("div", { class: "tooltip-head" }, heading),
        lines
          .slice(0, LINES_MAX)
          .map((line) =>
            h(
              "div",
              { class: `tooltip-line${line.strong ? " strong" : ""}` },
              h("span", { class: `key ${line.colour ?? ""}` }),
              h("span", { class: "tooltip-name" }, line.name),
              h("span", { class: "tooltip-value" }, line.value),
            ),
          ),
        rest > 0 && h("div", { class: "tooltip-line" }, `and ${rest} more`),
      );
      box.hidden = false;
      const width = host.clientWidth;
      const left = x + GAP + box.offsetWidth <= width ? x + GAP : x - GAP - box.offsetWidth;
      place(box, { left: `${Math.max(0, Math.min(left, width - box.offsetWidth))}px` });
    },
    hide() {
      box.hidden = true;
    },
  };
}
