// Tables of data: for people, for screen readers, and as the source of a CSV file.

import { h } from "./dom.js";

/**
 * columns: [{key, title, text(row), raw(row), cell(row), align: "end", sort: bool,
 *            hide: "narrow"|"middle"}]
 * options: {caption, sort: {key, descending}, onSort(key), rowClass(row), foot}
 */
export function dataTable(columns, rows, { caption, sort, onSort, foot, rowId } = {}) {
  return h(
    "table",
    { class: "data" },
    caption && h("caption", { class: "visually-hidden" }, caption),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        columns.map((column) => heading(column, sort, onSort)),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map((row) =>
        h(
          "tr",
          { "data-id": rowId?.(row) },
          columns.map((column, i) => cellOf(column, row, i)),
        ),
      ),
    ),
    foot &&
      h(
        "tfoot",
        {},
        h(
          "tr",
          {},
          columns.map((column, i) => cellOf(column, foot, i)),
        ),
      ),
  );
}

/** The same as text for a file: raw values where a column has them. */
export function tableData(columns, rows) {
  return {
    columns: columns.map((column) => column.file ?? column.title),
    rows: rows.map((row) => columns.map((column) => (column.raw ?? column.text)(row))),
  };
}

/** Rows in a column's order. */
export function sorted(columns, rows, { key, descending }) {
  const column = columns.find((one) => one.key === key);
  if (!column) return rows;
  const value = column.raw ?? column.text;
  const order = (a, b) => {
    const [p, q] = [value(a), value(b)].map((one) =>
      one === null || one === "" || Number.isNaN(Number(one)) ? one : Number(one),
    );
    if (p === null || p === undefined) return 1;
    if (q === null || q === undefined) return -1;
    const way =
      typeof p === "number" && typeof q === "number" ? p - q : String(p).localeCompare(String(q));
    return descending ? -way : way;
  };
  return [...rows].sort(order);
}

function classes(column) {
  return [column.align === "end" && "end", column.hide && `hide-${column.hide}`]
    .filter(Boolean)
    .join(" ");
}

function heading(column, sort, onSort) {
  const active = sort && sort.key === column.key;
  const direction = active ? (sort.descending ? "descending" : "ascending") : undefined;
  if (!onSort || column.sort === false)
    return h("th", { scope: "col", class: classes(column) }, column.title);
  return h(
    "th",
    { scope: "col", class: classes(column), "aria-sort": direction },
    h(
      "button",
      {
        type: "button",
        class: `sort${active ? " active" : ""}`,
        "data-key": `sort ${column.key}`,
        on: { click: () => onSort(column.key) },
      },
      column.title,
      h(
        "span",
        { class: "arrow", "aria-hidden": "true" },
        active ? (sort.descending ? "↓" : "↑") : "",
      ),
    ),
  );
}

function cellOf(column, row, i) {
  const content = column.cell ? column.cell(row) : column.text(row);
  if (i === 0) return h("th", { scope: "row", class: classes(column) }, content);
  return h("td", { class: classes(column) }, content);
}
