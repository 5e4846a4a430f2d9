// Shares of a whole as a ring; each slice is a button.

import { replace, s } from "../dom.js";
import { pickable } from "./pickable.js";

const SIZE = 200;
const OUTER = 96;
const INNER = 64;
const TURN = 2 * Math.PI;

/** A ring in `host`. data: {slices: [{name, colour, value, text, share}], centre, caption, label} */
export function donut(host, { onPick }) {
  const svg = s("svg", { class: "chart donut", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group" });
  let highlighted = null;
  let data = null;
  host.append(svg);

  function draw() {
    svg.setAttribute("aria-label", data.label);
    const whole = data.slices.reduce((sum, slice) => sum + slice.value, 0);
    let angle = -TURN / 4;
    replace(
      svg,
      data.slices.map((slice) => {
        const start = angle;
        angle += (slice.value / (whole || 1)) * TURN;
        return arc(slice, start, angle, highlighted, onPick);
      }),
      s(
        "text",
        { class: "donut-centre", x: SIZE / 2, y: SIZE / 2 + 2, "text-anchor": "middle" },
        data.centre,
      ),
      s(
        "text",
        { class: "donut-caption", x: SIZE / 2, y: SIZE / 2 + 22, "text-anchor": "middle" },
        data.caption,
      ),
    );
  }

  return {
    update(next) {
      data = next;
      draw();
    },
    highlight(name) {
      highlighted = name;
      draw();
    },
    close() {},
  };
}

function arc(slice, start, end, highlighted, onPick) {
  const dim = highlighted !== null && highlighted !== slice.name ? " dim" : "";
  return s(
    "path",
    {
      class: `slice ${slice.colour}${dim}`,
      d: ring(start, Math.min(end, start + TURN - 0.0001)),
      ...pickable(slice, onPick),
    },
    s("title", {}, `${slice.name}: ${slice.text} (${slice.share})`),
  );
}

function ring(start, end) {
  const large = end - start > TURN / 2 ? 1 : 0;
  const at = (radius, angle) =>
    `${(SIZE / 2 + radius * Math.cos(angle)).toFixed(2)},${(SIZE / 2 + radius * Math.sin(angle)).toFixed(2)}`;
  return (
    `M${at(OUTER, start)}A${OUTER},${OUTER},0,${large},1,${at(OUTER, end)}` +
    `L${at(INNER, end)}A${INNER},${INNER},0,${large},0,${at(INNER, start)}Z`
  );
}
