// The frame of a panel: title, unit, menu, and the place where its chart or its table stands.

import { icon } from "../controls/icons.js";
import { popover } from "../controls/popover.js";
import { h, replace } from "../dom.js";
import { saveCsv, savePng } from "../export.js";
import { dataTable, tableData } from "../table.js";
import { unit } from "../units.js";

/**
 * A panel's card.
 * `source()` gives {columns, rows} of what is shown; `picture()` {figure, svg, legend} for a PNG;
 * `callsHref()` an address of the calls behind it.
 */
export function panelCard(panel, { source, picture, callsHref }) {
  const titleId = `title-${panel.key}`;
  const body = h("div", { class: "card-body" });
  const table = h("div", {
    class: "card-table",
    hidden: true,
    tabindex: "0",
    "aria-label": `${panel.title} as a table`,
  });
  const empty = h("p", { class: "card-empty", hidden: true });
  const legendHost = h("div", { class: "card-legend" });
  let asTable = false;

  const menu = popover({
    label: icon("more"),
    name: `Menu of ${panel.title}`,
    className: "quiet-control",
    end: true,
    content: (close) => [
      h("p", { class: "menu-text" }, panel.description),
      h(
        "ul",
        { class: "choices", role: "list" },
        action(asTable ? "Show as chart" : "Show as table", () => showTable(!asTable), close),
        action("Download CSV", () => saveCsv(`${panel.key}.csv`, data()), close),
        action("Download PNG", () => savePng(`${panel.key}.png`, shot()), close),
        h(
          "li",
          {},
          h(
            "a",
            { class: "choice", href: callsHref(), "data-link": true },
            "Open the calls behind it",
          ),
        ),
      ),
    ],
  });
  const element = h(
    "section",
    {
      class: `card panel panel-${panel.chart}`,
      "data-panel": panel.key,
      "aria-labelledby": titleId,
    },
    h(
      "header",
      { class: "card-head" },
      h("h3", { id: titleId }, panel.title),
      panel.chart !== "stat" && h("span", { class: "card-unit" }, unit(panel.unit).words),
      menu.element,
    ),
    body,
    table,
    empty,
    legendHost,
  );

  function data() {
    const { columns, rows } = source();
    return tableData(columns, rows);
  }

  function shot() {
    return { title: panel.title, subtitle: panel.description, card: element, ...picture() };
  }

  function showTable(wanted) {
    asTable = wanted;
    element.classList.toggle("as-table", asTable);
    table.hidden = !asTable;
    body.hidden = asTable;
    fillTable();
  }

  function fillTable() {
    if (!asTable) return;
    const { columns, rows } = source();
    replace(table, dataTable(columns, rows, { caption: panel.title }));
  }

  return {
    element,
    body,
    legendHost,
    /** To be called after each change of what the card shows; `text` where there is nothing. */
    shown(text = null) {
      empty.hidden = text === null;
      empty.textContent = text ?? "";
      element.classList.toggle("is-empty", text !== null);
      element.removeAttribute("aria-busy");
      fillTable();
    },
  };
}

function action(text, run, close) {
  const click = () => {
    close({ focus: true });
    run();
  };
  return h("li", {}, h("button", { type: "button", class: "choice", on: { click } }, text));
}
