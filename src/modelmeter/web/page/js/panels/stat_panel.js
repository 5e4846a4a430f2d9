// One number with the colour of its threshold, what it was before, and how it came to be.

import { spark } from "../charts/spark.js";
import { h, replace } from "../dom.js";
import { unit } from "../units.js";
import { panelCard } from "./card.js";

const NOTHING = "–";

/** The threshold that a stat has reached, or null; `levelValue` where that is not its value's. */
function levelOf(panel, { value: shown, levelValue }) {
  const value = levelValue === undefined ? shown : levelValue;
  if (value === null || value === undefined) return null;
  return panel.thresholds.filter((one) => one.at === null || value >= one.at).at(-1) ?? null;
}

/** A stat's card; `update({value, exact, levelValue, note, delta, spark})`, value null without traffic. */
export function statPanel(panel, context) {
  const words = unit(panel.unit);
  let shown = { value: null };
  const number = h("p", { class: "stat-number" });
  const note = h("p", { class: "stat-note" });
  const delta = h("p", { class: "stat-delta" });
  const line = h("div", { class: "stat-spark" });
  const card = panelCard(panel, {
    source: () => ({
      columns: [
        { title: panel.title, text: () => panel.title },
        {
          title: words.words,
          align: "end",
          text: () => full(shown.value),
          raw: () => shown.exact ?? shown.value,
        },
        { title: "level", text: () => levelOf(panel, shown)?.meaning ?? "" },
      ],
      rows: [shown],
    }),
    picture: () => ({ figure: full(shown.value), svg: line.querySelector("svg"), legend: [] }),
    callsHref: () => context.callsHref(callsOf(panel)),
  });
  card.body.append(number, note, delta, line);

  function full(value) {
    return value === null || value === undefined ? NOTHING : words.full(value);
  }

  function update(next) {
    shown = next;
    const level = levelOf(panel, next);
    card.element.dataset.level = level?.level ?? "none";
    replace(number, ...figure(full(next.value)));
    number.dataset.value = next.exact ?? next.value ?? "";
    replace(note, ...noteOf(level, next, context));
    delta.textContent = next.delta ?? "";
    replace(line, next.spark && spark(next.spark, { fromLowest: next.sparkFromLowest }));
    card.shown();
  }
  return { ...card, update, close() {} };
}

/** The figure's unit is smaller than its digits. */
function figure(text) {
  const [, digits, tail] = /^([^ ]*(?: (?=\d))?[^ ]*)(?: (.+))?$/.exec(text) ?? [null, text, ""];
  return tail && /\d/.test(digits)
    ? [digits, h("span", { class: "stat-unit" }, ` ${tail}`)]
    : [text];
}

function noteOf(level, { value, note, noteLeadsToCalls }, context) {
  if (value === null) return [h("span", { class: "stat-limit" }, "no traffic to take it of")];
  return [
    level && h("span", { class: `level level-${level.level}` }, level.meaning),
    note &&
      noteLeadsToCalls &&
      h("a", { href: context.callsHref({}), "data-link": true, "data-key": "calls" }, note),
    note && !noteLeadsToCalls && h("span", { class: "stat-limit" }, note),
  ];
}

function callsOf(panel) {
  return panel.key === "error_rate" ? { status: "failed" } : {};
}
