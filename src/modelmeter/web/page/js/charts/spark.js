// A small line without axes: how a number came to be what it is.

import { s } from "../dom.js";
import { linear } from "./scale.js";

const WIDTH = 240;
const HEIGHT = 40;

/**
 * An SVG of `values` (numbers or null), decorative beside the number it belongs to.
 * It stands on zero, or on the lowest value where `fromLowest` shows more.
 */
export function spark(values, { fromLowest = false } = {}) {
  const present = values.filter((value) => value !== null);
  const highest = Math.max(...present, 0);
  const lowest = fromLowest ? Math.min(...present) * 2 - highest : 0;
  const x = linear([0, Math.max(1, values.length - 1)], [1, WIDTH - 1]);
  const y = linear([lowest, highest === lowest ? lowest + 1 : highest], [HEIGHT - 2, 3]);
  const points = [];
  values.forEach((value, i) => {
    if (value !== null) points.push(`${x(i).toFixed(1)},${y(value).toFixed(1)}`);
  });
  if (points.length < 2) return null;
  const [first, last] = [points[0].split(",")[0], points.at(-1).split(",")[0]];
  return s(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      "aria-hidden": "true",
    },
    s("path", {
      class: "spark-area",
      d: `M${first},${HEIGHT}L${points.join("L")}L${last},${HEIGHT}Z`,
    }),
    s("path", { class: "spark-line", d: `M${points.join("L")}` }),
  );
}
