// Lines and stacked areas over time, with a probe that pointer and arrow keys move.

import { h, replace, s } from "../dom.js";
import { clock, day, dayAndClock } from "../times.js";
import { linear, nearest, timeTicks, valueTicks } from "./scale.js";
import { tooltip } from "./tooltip.js";

const MARGIN = { top: 12, right: 12, bottom: 26 };
const CHARACTER_WIDTH = 6.6;
const PIXELS_A_TIME = 84;
const PIXELS_A_VALUE = 46;
const DRAG_MIN = 12;
const DAY = 86_400;
const KEY_STEPS = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10, Home: -1e9, End: 1e9 };

/**
 * Draw into `host` and follow its size.
 *
 * data: {times, series: [{name, colour, values}], stacked, unit, zone, marks, limits, label, from, to}
 * handlers: onPick(name), onRange(from, to)
 */
export function lineChart(host, handlers = {}) {
  let data = null;
  let probe = null;
  let highlighted = null;
  let drawn = null;
  let dragStart = null;

  const svg = s("svg", { class: "chart", role: "img" });
  const cursor = h("div", {
    class: "probe",
    role: "slider",
    tabindex: "0",
    "aria-valuemin": "0",
    "aria-orientation": "horizontal",
  });
  host.classList.add("chart-host");
  host.append(svg, cursor);
  const box = tooltip(host);

  function draw() {
    if (!data || host.clientWidth === 0) return;
    drawn = paint(svg, data, host.clientWidth, host.clientHeight, highlighted);
    svg.setAttribute("aria-label", data.label);
    cursor.setAttribute("aria-label", `${data.label}: moments`);
    cursor.setAttribute("aria-valuemax", String(Math.max(0, data.times.length - 1)));
    if (probe !== null && probe >= data.times.length) probe = null;
    showProbe();
  }

  function showProbe() {
    drawn?.probeLayer.replaceChildren();
    if (probe === null || !drawn) {
      box.hide();
      cursor.setAttribute("aria-valuenow", "0");
      cursor.setAttribute("aria-valuetext", "no moment chosen; use the arrow keys");
      return;
    }
    const moment = data.times[probe];
    const x = drawn.x(moment);
    const lines = linesAt(data, probe);
    const bottom = drawn.height - MARGIN.bottom;
    drawn.probeLayer.append(
      s("line", { class: "crosshair", x1: x, x2: x, y1: MARGIN.top, y2: bottom }),
    );
    for (const { colour, top } of drawn.tops) {
      if (top[probe] === null) continue;
      drawn.probeLayer.append(
        s("circle", { class: `dot ${colour}`, cx: x, cy: drawn.y(top[probe]), r: 3 }),
      );
    }
    const heading = dayAndClock(moment, data.zone);
    box.show(x, heading, lines);
    cursor.setAttribute("aria-valuenow", String(probe));
    const spoken = lines.map((line) => `${line.name} ${line.value}`).join(", ");
    cursor.setAttribute("aria-valuetext", `${heading}: ${spoken || "nothing"}`);
  }

  function pointerX(event) {
    return event.clientX - host.getBoundingClientRect().left;
  }

  cursor.addEventListener("pointermove", (event) => {
    if (!drawn || data.times.length === 0) return;
    probe = nearest(data.times, drawn.moment(pointerX(event)));
    showProbe();
    if (dragStart !== null) drawn.showSelection(dragStart, pointerX(event));
  });
  cursor.addEventListener("pointerleave", () => {
    if (dragStart !== null) return;
    probe = null;
    showProbe();
  });
  cursor.addEventListener("pointerdown", (event) => {
    if (!handlers.onRange || event.button !== 0 || event.pointerType === "touch") return;
    dragStart = pointerX(event);
    cursor.setPointerCapture(event.pointerId);
  });
  cursor.addEventListener("pointerup", (event) => {
    if (dragStart === null) return;
    const [first, last] = [dragStart, pointerX(event)].sort((a, b) => a - b);
    dragStart = null;
    drawn.showSelection(null);
    if (last - first >= DRAG_MIN) {
      handlers.onRange(Math.floor(drawn.moment(first)), Math.ceil(drawn.moment(last)));
    } else if (handlers.onPick && probe !== null) {
      const name = drawn.nameAt(probe, event.clientY - host.getBoundingClientRect().top);
      if (name !== null) handlers.onPick(name);
    }
  });
  cursor.addEventListener("keydown", (event) => {
    const step = KEY_STEPS[event.key];
    if (step === undefined || !data || data.times.length === 0) return;
    event.preventDefault();
    const last = data.times.length - 1;
    probe = probe === null ? last : Math.max(0, Math.min(last, probe + step));
    showProbe();
  });
  cursor.addEventListener("blur", () => {
    probe = null;
    showProbe();
  });

  const observer = new ResizeObserver(draw);
  observer.observe(host);
  return {
    update(next) {
      data = next;
      // After all panels of a refresh have their legends, so that the host has its final size.
      requestAnimationFrame(draw);
    },
    highlight(name) {
      highlighted = name;
      draw();
    },
    close: () => observer.disconnect(),
  };
}

/** What stands at one place: marks, then lines, the largest first, for a stack with their sum. */
function linesAt(data, place_) {
  return [...marksAt(data, place_), ...valuesAt(data, place_)];
}

/** The marks that are nearer to this moment than to any other. */
function marksAt(data, place_) {
  const near = (data.marks ?? []).filter((mark) => nearest(data.times, mark.at) === place_);
  return near.map((mark) => ({
    name: mark.title,
    value: whenOf(mark, data.zone),
    colour: `key-${mark.kind}`,
  }));
}

/** Of several alike, how many there were up to this one. */
function whenOf(mark, zone) {
  const at = clock(mark.at, zone);
  return mark.count > 1 ? `${mark.count} times, last ${at}` : at;
}

function valuesAt(data, place_) {
  const lines = data.series
    .map((one) => ({ name: one.name, colour: one.colour, number: one.values[place_] }))
    .filter((line) => line.number !== null && line.number !== undefined);
  if (!data.keepsOrder) lines.sort((a, b) => b.number - a.number);
  const sum = lines.reduce((total, line) => total + line.number, 0);
  const shown = lines.filter((line, i) => i < 4 || line.number !== 0);
  const texts = shown.map((line) => ({ ...line, value: data.unit.full(line.number) }));
  if (data.stacked && lines.length > 1) {
    texts.unshift({ name: "all", value: data.unit.full(sum), strong: true });
  }
  return texts;
}

function paint(svg, data, width, height, highlighted) {
  const tops = data.stacked ? stackedTops(data.series) : plainTops(data.series);
  const highest = Math.max(0, ...tops.flatMap(({ top }) => top.filter((value) => value !== null)));
  const limits = (data.limits ?? []).filter((limit) => limit.at <= highest * 1.5);
  const ceiling = Math.max(highest, ...limits.map((limit) => limit.at));
  const plotHeight = height - MARGIN.top - MARGIN.bottom;
  const values = valueTicks(ceiling, Math.max(2, Math.floor(plotHeight / PIXELS_A_VALUE)));
  const labels = values.map((value) => data.unit.axis(value));
  const left = Math.ceil(Math.max(...labels.map((text) => text.length)) * CHARACTER_WIDTH) + 10;
  const [from, to] = [data.from ?? data.times[0], data.to ?? data.times.at(-1)];
  const x = linear([from, to], [left, width - MARGIN.right]);
  const y = linear([0, values.at(-1)], [height - MARGIN.bottom, MARGIN.top]);
  const wanted = Math.max(2, Math.floor((width - left) / PIXELS_A_TIME));
  const probeLayer = s("g", { "aria-hidden": "true" });
  const selection = s("rect", { class: "selection", y: MARGIN.top, height: plotHeight, width: 0 });

  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  replace(
    svg,
    valueAxis(values, labels, y, left, width),
    timeAxis(timeTicks(from, to, wanted, data.zone), x, height, width, data.zone),
    limits.map((limit) =>
      s("line", {
        class: `limit level-${limit.level}`,
        x1: left,
        x2: width - MARGIN.right,
        y1: y(limit.at),
        y2: y(limit.at),
      }),
    ),
    tops.map((one) => shape(one, data, x, y, highlighted)),
    marksOf(data, from, to, x, height),
    selection,
    probeLayer,
  );
  return {
    x,
    y,
    tops,
    height,
    probeLayer,
    moment: linear([left, width - MARGIN.right], [from, to]),
    nameAt: (index, pixel) => nameAt(tops, index, pixel, y, data.stacked),
    showSelection(first, last) {
      const [a, b] = [first, last].sort((p, q) => p - q);
      selection.setAttribute("x", first === null ? 0 : Math.max(left, a));
      selection.setAttribute("width", first === null ? 0 : Math.max(0, b - Math.max(left, a)));
    },
  };
}

function plainTops(series) {
  return series.map(({ name, colour, values }) => ({ name, colour, top: values, base: null }));
}

function stackedTops(series) {
  let base = null;
  return series.map(({ name, colour, values }) => {
    const under = base ?? values.map(() => 0);
    const top = values.map((value, i) => (value ?? 0) + under[i]);
    base = top;
    return { name, colour, top, base: under };
  });
}

function shape(one, data, x, y, highlighted) {
  const dim = highlighted !== null && highlighted !== one.name ? " dim" : "";
  const parts = [];
  if (data.stacked) {
    const there = data.times.map((t, i) => `${x(t).toFixed(1)},${y(one.top[i]).toFixed(1)}`);
    const back = data.times
      .map((t, i) => `${x(t).toFixed(1)},${y(one.base[i]).toFixed(1)}`)
      .reverse();
    if (there.length > 0)
      parts.push(s("path", { class: "area", d: `M${[...there, ...back].join("L")}Z` }));
  }
  parts.push(s("path", { class: "line", d: path(one.top, data.times, x, y) }));
  for (const place_ of loneValues(one.top)) {
    parts.push(
      s("circle", { class: "dot", cx: x(data.times[place_]), cy: y(one.top[place_]), r: 2 }),
    );
  }
  return s("g", { class: `series ${one.colour}${dim}`, "data-name": one.name }, parts);
}

/** A line that is broken where there is no value. */
function path(values, times, x, y) {
  let text = "";
  let joined = false;
  values.forEach((value, i) => {
    if (value === null || value === undefined) {
      joined = false;
      return;
    }
    text += `${joined ? "L" : "M"}${x(times[i]).toFixed(1)},${y(value).toFixed(1)}`;
    joined = true;
  });
  return text;
}

/** Values with none on either side: no line shows them. */
function loneValues(values) {
  const present = (i) => values[i] !== null && values[i] !== undefined;
  return values.map((_, i) => i).filter((i) => present(i) && !present(i - 1) && !present(i + 1));
}

function nameAt(tops, index, pixel, y, stacked) {
  let best = null;
  for (const one of tops) {
    const value = one.top[index];
    if (value === null || value === undefined) continue;
    const distance = Math.abs(y(value) - pixel);
    if (stacked) {
      if (pixel >= y(value) && pixel <= y(one.base[index])) return one.name;
    } else if (distance < 10 && (best === null || distance < best.distance)) {
      best = { name: one.name, distance };
    }
  }
  return best?.name ?? null;
}

function valueAxis(values, labels, y, left, width) {
  return s(
    "g",
    { class: "axis", "aria-hidden": "true" },
    values.map((value, i) => [
      s("line", {
        class: i === 0 ? "zero" : "grid",
        x1: left,
        x2: width - MARGIN.right,
        y1: y(value),
        y2: y(value),
      }),
      s("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, labels[i]),
    ]),
  );
}

function timeAxis({ ticks, step }, x, height, width, zone) {
  return s(
    "g",
    { class: "axis", "aria-hidden": "true" },
    ticks.map((moment) => {
      const text =
        step >= DAY || clock(moment, zone) === "00:00" ? day(moment, zone) : clock(moment, zone);
      const half = (text.length * CHARACTER_WIDTH) / 2;
      const at = Math.min(x(moment), width - half);
      return s("text", { x: at, y: height - 8, "text-anchor": "middle" }, text);
    }),
  );
}

function marksOf({ marks = [], zone }, from, to, x, height) {
  return marks
    .filter((mark) => mark.at >= from && mark.at <= to)
    .map((mark) =>
      s(
        "g",
        { class: `mark mark-${mark.kind}` },
        s("title", {}, `${mark.title}: ${whenOf(mark, zone)}`),
        s("line", {
          x1: x(mark.at),
          x2: x(mark.at),
          y1: MARGIN.top - 4,
          y2: height - MARGIN.bottom,
        }),
        s("path", { d: `M${x(mark.at) - 4},${MARGIN.top - 8}h8l-4,6z` }),
      ),
    );
}
