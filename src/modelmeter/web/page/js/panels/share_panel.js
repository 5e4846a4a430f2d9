// Shares of a sum: a ring with its legend, or one bar a name.

import { bars } from "../charts/bars.js";
import { donut } from "../charts/donut.js";
import { legend } from "../charts/legend.js";
import { REST, colourClass } from "../charts/palette.js";
import { replace } from "../dom.js";
import { percent } from "../format.js";
import { unit } from "../units.js";
import { panelCard } from "./card.js";

const PARTS_MAX = 12;
const DIMENSION_OF = { team: "team", model: "model", agent_id: "agent", provider: "provider" };

/** A panel of parts; `update([{name, value, exact}])`, the largest first. */
export function sharePanel(panel, context) {
  const words = unit(panel.unit);
  let parts = [];
  const card = panelCard(panel, {
    source: () => ({
      columns: [
        { title: panel.split_by[0], text: (part) => part.name },
        {
          title: words.words,
          align: "end",
          text: (part) => part.text,
          raw: (part) => part.exact ?? part.value,
        },
        { title: "share", align: "end", text: (part) => part.share, raw: (part) => part.portion },
      ],
      rows: parts,
    }),
    picture: () => ({
      svg: card.body.querySelector("svg"),
      legend: panel.chart === "pie" ? parts.map((part) => ({ ...part, value: part.text })) : [],
    }),
    callsHref: () => context.callsHref({}),
  });
  const dimension = DIMENSION_OF[panel.split_by[0]];
  const pick = (name) => context.pick(dimension, name);
  const chart =
    panel.chart === "pie" ? donut(card.body, { onPick: pick }) : bars(card.body, { onPick: pick });

  function update(next) {
    const whole = next.reduce((sum, part) => sum + part.value, 0);
    parts = next.map((part, i) => ({
      ...part,
      colour: colourClass(part.name, i),
      text: words.full(part.value),
      portion: whole ? part.value / whole : 0,
      share: percent(whole ? part.value / whole : 0),
    }));
    if (panel.chart === "pie") {
      chart.update({
        slices: folded(parts, words),
        centre: words.full(whole),
        caption: "in all",
        label: panel.title,
      });
      replace(
        card.legendHost,
        parts.length > 0 &&
          legend(
            parts.map((part) => ({ ...part, value: part.text })),
            { onPick: pick, onPoint: (name) => chart.highlight(name), wide: true },
          ),
      );
    } else {
      chart.update({ rows: folded(parts, words), label: panel.title });
    }
    card.shown(parts.length === 0 ? "No calls in this range." : null);
  }
  return { ...card, update, close: chart.close };
}

/** What is too much for a chart that can be read becomes one part. */
function folded(parts, words) {
  if (parts.length <= PARTS_MAX) return parts;
  const [shown, rest] = [parts.slice(0, PARTS_MAX - 1), parts.slice(PARTS_MAX - 1)];
  const value = rest.reduce((sum, part) => sum + part.value, 0);
  const portion = rest.reduce((sum, part) => sum + part.portion, 0);
  const texts = { text: words.full(value), share: percent(portion) };
  return [...shown, { name: REST, colour: colourClass(REST), value, portion, ...texts }];
}
