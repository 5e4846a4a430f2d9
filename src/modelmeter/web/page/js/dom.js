// Elements from data. Text is always set as text, so no value can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: `h("a", {href, class, on: {click}}, "text", otherElement)`. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element, by the same rules. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Put other children in the place of those that are there. What had the focus and a `data-key`
 * hands it on to its successor, so that a refresh does not throw a keyboard's user out.
 */
export function replace(parent, ...children) {
  const focused = parent.contains(document.activeElement)
    ? document.activeElement.dataset.key
    : undefined;
  parent.replaceChildren(...present(children));
  if (focused !== undefined) {
    parent.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
}

/** Set a length by the object model, which a strict policy allows where it forbids attributes. */
export function place(element, lengths) {
  for (const [name, value] of Object.entries(lengths)) element.style.setProperty(name, value);
  return element;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...present(children));
  return element;
}

function present(children) {
  return children
    .flat(3)
    .filter((child) => child !== null && child !== undefined && child !== false);
}
