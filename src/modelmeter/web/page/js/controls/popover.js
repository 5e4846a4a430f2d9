// A button with a box that opens under it; Escape, a click elsewhere or leaving it closes it.

import { h, replace } from "../dom.js";

let counter = 0;

/**
 * `content(close)` is made anew at each opening.
 * Gives `{element, button, label(children), close}`.
 */
export function popover({ label, name, className = "", content, title, end = false }) {
  counter += 1;
  const id = `popover-${counter}`;
  const panel = h("div", { class: `popover-panel${end ? " at-end" : ""}`, id, hidden: true });
  const button = h(
    "button",
    {
      type: "button",
      class: `control ${className}`,
      "aria-expanded": "false",
      "aria-controls": id,
      "aria-label": name,
      title,
      on: { click: () => (panel.hidden ? open() : close()) },
    },
    label,
  );
  const element = h("div", { class: "popover" }, button, panel);

  function open() {
    replace(panel, content(close));
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside);
    panel.querySelector("input, select, button, a")?.focus();
  }

  function close({ focus = false } = {}) {
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside);
    if (focus) button.focus();
  }

  function outside(event) {
    if (!element.contains(event.target)) close();
  }

  element.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !panel.hidden) {
      event.stopPropagation();
      close({ focus: true });
    }
  });
  element.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !element.contains(event.relatedTarget)) close();
  });
  return { element, button, close, label: (...children) => replace(button, ...children) };
}
