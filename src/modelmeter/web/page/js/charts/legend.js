// Names, colours and figures beside a chart; a name is a button that filters by it.

import { h } from "../dom.js";
import { REST } from "./palette.js";

/**
 * A list of `{name, colour, value, share}`.
 * `caption` says what the values are; without `onPick(name)` the names are plain text, and
 * what stands for many names always is;
 * `onPoint(name|null)` is for highlighting.
 */
export function legend(entries, { onPick, onPoint, caption, wide = false } = {}) {
  return h(
    "ul",
    { class: wide ? "legend legend-wide" : "legend", role: "list", "aria-label": caption },
    caption && h("li", { class: "legend-caption", "aria-hidden": "true" }, `${caption}:`),
    entries.map((entry) => h("li", {}, item(entry, onPick, onPoint))),
  );
}

function item(entry, onPick, onPoint) {
  const content = [
    h("span", { class: `key ${entry.colour}` }),
    h("span", { class: "legend-name", title: entry.name }, entry.name),
    entry.value !== undefined && h("span", { class: "legend-value" }, entry.value),
    entry.share !== undefined && h("span", { class: "legend-share" }, entry.share),
  ];
  const pointing = onPoint && {
    pointerenter: () => onPoint(entry.name),
    pointerleave: () => onPoint(null),
    focus: () => onPoint(entry.name),
    blur: () => onPoint(null),
  };
  if (!onPick || entry.name === REST)
    return h("span", { class: "legend-item", on: pointing ?? {} }, content);
  return h(
    "button",
    {
      class: "legend-item",
      type: "button",
      "data-key": entry.name,
      "aria-label": `Filter by ${entry.name}${entry.value === undefined ? "" : `, ${entry.value}`}`,
      on: { ...pointing, click: () => onPick(entry.name) },
    },
    content,
  );
}
