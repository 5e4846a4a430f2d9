// The few signs that the page draws itself.

import { s } from "../dom.js";

const PATHS = {
  clock: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM8 4.5V8l2.5 1.8",
  down: "M4 6.5 8 10.5l4-4",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  close: "M4 4l8 8M12 4l-8 8",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1",
  moon: "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1Z",
  auto: "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8ZM8 1.8v12.4M8 5h4.8M8 8h6M8 11h4.8",
  download: "M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11",
  filter: "M2 3.5h12M4.5 8h7M6.5 12.5h3",
  left: "M10 3.5 5.5 8l4.5 4.5",
  out: "M6.5 2.5h-4v11h4M10 4.8 13.2 8 10 11.2M13 8H6",
  check: "M3 8.5 6.5 12 13 4.5",
  alert: "M8 2 14.5 13.5h-13L8 2ZM8 6.5v3.2M8 11.8h.01",
};

/** A sign of 16 pixels, decorative. */
export function icon(name) {
  return s(
    "svg",
    { class: "icon", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    s("path", { d: PATHS[name] }),
  );
}

/** The product's own: a needle on a scale. */
export function logo() {
  return s(
    "svg",
    { class: "logo", viewBox: "0 0 24 24", width: 24, height: 24, "aria-hidden": "true" },
    s("path", { class: "logo-scale", d: "M4.2 17.5a9 9 0 1 1 15.6 0" }),
    s("path", { class: "logo-needle", d: "M12 14.5 16 8" }),
    s("circle", { class: "logo-hub", cx: 12, cy: 14.5, r: 2 }),
  );
}
