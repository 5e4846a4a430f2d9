// What is on screen as a file: CSV of a table, PNG of a panel.

const FORMULA_STARTS = ["=", "+", "-", "@", "\t", "\r"];
const SCALE = 2;
const PADDING = 24;
const HEAD = 56;
const LEGEND_ROW = 24;
const LEGEND_COLUMN = 260;
const COPIED = [
  ...["fill", "stroke", "stroke-width", "opacity", "fill-opacity", "stroke-dasharray"],
  ...["font-size", "font-family", "font-weight", "text-anchor", "stroke-linejoin"],
];

/** Save `{columns, rows}` as CSV; no cell can become a formula. */
export function saveCsv(name, { columns, rows }) {
  const lines = [columns, ...rows].map((row) => row.map(cell).join(","));
  save(name, new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv;charset=utf-8" }));
}

/** Save a panel's chart with its title, figure and legend as a PNG. */
export async function savePng(name, panel) {
  const canvas = await picture(panel);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  save(name, blob);
}

function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = String(value);
  const safe =
    FORMULA_STARTS.some((start) => text.startsWith(start)) && Number.isNaN(Number(text))
      ? `'${text}`
      : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 0);
}

/** panel: {title, subtitle, figure, svg, legend: [{name, colour, value}], card} */
async function picture({ title, subtitle, figure, svg, legend, card }) {
  const look = getComputedStyle(card);
  const chart = svg ? svg.getBoundingClientRect() : { width: 480, height: 0 };
  const width = Math.max(chart.width, 480) + 2 * PADDING;
  const columns = Math.max(1, Math.floor((width - 2 * PADDING) / LEGEND_COLUMN));
  const legendHeight = Math.ceil(legend.length / columns) * LEGEND_ROW;
  const top = HEAD + (figure ? 56 : 0);
  const canvas = document.createElement("canvas");
  canvas.width = width * SCALE;
  canvas.height = (top + chart.height + legendHeight + 2 * PADDING) * SCALE;
  const pen = canvas.getContext("2d");
  pen.scale(SCALE, SCALE);
  pen.fillStyle = look.backgroundColor;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  write(pen, title, PADDING, PADDING + 14, `600 16px ${look.fontFamily}`, look.color);
  write(pen, subtitle, PADDING, PADDING + 34, `12px ${look.fontFamily}`, look.color);
  if (figure) write(pen, figure, PADDING, HEAD + 48, `600 36px ${look.fontFamily}`, look.color);
  if (svg) {
    const image = await rasterised(svg, chart);
    pen.drawImage(image, PADDING, top + 8, chart.width, chart.height);
  }
  legend.forEach((entry, i) => {
    const x = PADDING + (i % columns) * LEGEND_COLUMN;
    const y = top + chart.height + PADDING + Math.floor(i / columns) * LEGEND_ROW + 8;
    pen.fillStyle = colourOf(card, entry.colour);
    pen.fillRect(x, y - 9, 10, 10);
    const room = LEGEND_COLUMN - 24;
    write(
      pen,
      `${entry.name}  ${entry.value ?? ""}`,
      x + 18,
      y,
      `12px ${look.fontFamily}`,
      look.color,
      room,
    );
  });
  return canvas;
}

function write(pen, text, x, y, font, colour, room) {
  pen.font = font;
  pen.fillStyle = colour;
  pen.fillText(text, x, y, room);
}

function colourOf(card, className) {
  const probe = document.createElement("span");
  probe.className = `key ${className}`;
  card.append(probe);
  const colour = getComputedStyle(probe).backgroundColor;
  probe.remove();
  return colour;
}

/** The SVG with its computed looks written into it, since a picture knows no style sheet. */
async function rasterised(svg, { width, height }) {
  const copy = svg.cloneNode(true);
  const originals = [svg, ...svg.querySelectorAll("*")];
  const copies = [copy, ...copy.querySelectorAll("*")];
  originals.forEach((original, i) => {
    const look = getComputedStyle(original);
    for (const name of COPIED) copies[i].setAttribute(name, look.getPropertyValue(name));
  });
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const text = new XMLSerializer().serializeToString(copy);
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(url);
  }
}
