// Light, dark, or as the system has it; the choice stays in this browser.

import { h, replace } from "../dom.js";
import { icon } from "./icons.js";

const KEY = "modelmeter.theme";
const ORDER = ["auto", "light", "dark"];
const ICONS = { auto: "auto", light: "sun", dark: "moon" };
const NAMES = { auto: "as the system", light: "light", dark: "dark" };

/** Apply the stored choice, before anything is drawn. */
export function applyTheme() {
  const stored = localStorage.getItem(KEY);
  document.documentElement.dataset.theme = ORDER.includes(stored) ? stored : "auto";
}

/** The button that goes through the three. */
export function themeButton() {
  const button = h("button", {
    type: "button",
    class: "control quiet-control",
    on: { click: next },
  });
  function show() {
    const theme = document.documentElement.dataset.theme;
    replace(button, icon(ICONS[theme]));
    button.setAttribute("aria-label", `Colours: ${NAMES[theme]}; change`);
    button.title = `Colours: ${NAMES[theme]}`;
  }
  function next() {
    const theme = ORDER[(ORDER.indexOf(document.documentElement.dataset.theme) + 1) % ORDER.length];
    localStorage.setItem(KEY, theme);
    document.documentElement.dataset.theme = theme;
    show();
  }
  show();
  return button;
}
