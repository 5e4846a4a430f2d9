// One bar a name, the largest first; each row is a button.

import { h, replace, s } from "../dom.js";
import { pickable } from "./pickable.js";

const ROW = 32;
const BAR_TOP = 20;
const BAR_HEIGHT = 6;

/** Bars in `host`. data: {rows: [{name, colour, value, text, share}], label} */
export function bars(host, { onPick }) {
  const svg = s("svg", { class: "chart bars", role: "group" });
  const scroller = h("div", { class: "bars-host" }, svg);
  let data = null;
  let highlighted = null;
  host.append(scroller);

  function draw() {
    if (!data || host.clientWidth === 0) return;
    const width = scroller.clientWidth;
    const height = data.rows.length * ROW;
    const most = Math.max(...data.rows.map((row) => row.value), 0) || 1;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.setAttribute("aria-label", data.label);
    replace(
      svg,
      data.rows.map((row, i) => rowOf(row, i * ROW, width, row.value / most, highlighted, onPick)),
    );
  }

  const observer = new ResizeObserver(draw);
  observer.observe(host);
  return {
    update(next) {
      data = next;
      draw();
    },
    highlight(name) {
      highlighted = name;
      draw();
    },
    close: () => observer.disconnect(),
  };
}

function rowOf(row, top, width, part, highlighted, onPick) {
  const dim = highlighted !== null && highlighted !== row.name ? " dim" : "";
  return s(
    "g",
    {
      class: `bar-row ${row.colour}${dim}`,
      transform: `translate(0,${top})`,
      ...pickable(row, onPick),
    },
    s("rect", { class: "bar-back", x: 0, y: 0, width, height: ROW - 2, rx: 3 }),
    s("text", { class: "bar-name", x: 0, y: 14 }, fitted(row.name, width - 150)),
    s("text", { class: "bar-value", x: width - 52, y: 14, "text-anchor": "end" }, row.text),
    s("text", { class: "bar-share", x: width, y: 14, "text-anchor": "end" }, row.share),
    s("rect", { class: "bar-track", x: 0, y: BAR_TOP, width, height: BAR_HEIGHT, rx: 3 }),
    s("rect", {
      class: "bar",
      x: 0,
      y: BAR_TOP,
      width: Math.max(2, width * part),
      height: BAR_HEIGHT,
      rx: 3,
    }),
  );
}

/** The name, its middle left out where it is too long for so many pixels. */
function fitted(name, pixels) {
  const letters = Math.max(8, Math.floor(pixels / 6.8));
  if (name.length <= letters) return name;
  const half = Math.floor((letters - 1) / 2);
  return `${name.slice(0, half)}…${name.slice(-half)}`;
}
