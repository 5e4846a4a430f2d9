// What stands there before the first call, and where a range holds none.

import { h } from "../dom.js";

const MONTH = "30d";
const QUARTER = "90d";
const WIDER_NAMES = { [MONTH]: "Show the last 30 days", [QUARTER]: "Show the last 90 days" };

/** How to send the first call, with this gateway's own address. */
export function firstCall(context) {
  const base = `${location.origin}/openai/v1`;
  const program = [`export OPENAI_BASE_URL=${base}`];
  if (context.hasSession()) program.push("export OPENAI_API_KEY=mm-…");
  const curl = [
    `curl ${base}/chat/completions \\`,
    `  -H "authorization: Bearer $OPENAI_API_KEY" -H "content-type: application/json" \\`,
    `  -H "x-agent-id: meetmind.coordinator" \\`,
    `  -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'`,
  ].join("\n");
  return h(
    "section",
    { class: "card first-call" },
    h("h2", {}, "No calls yet"),
    h(
      "p",
      {},
      "This page fills itself as soon as a program calls a model through this gateway.",
      " Two ways to send the first call:",
    ),
    h("h3", {}, "Point an SDK here"),
    snippet(program.join("\n")),
    context.hasSession() &&
      h(
        "p",
        { class: "quiet" },
        "This gateway asks callers for a key of its own with the scope call. To make one: ",
        h("code", {}, "modelmeter key new --scope call"),
      ),
    h(
      "p",
      { class: "quiet" },
      "Anthropic, Bedrock and Google SDKs work the same way at /anthropic, /bedrock and /genai.",
    ),
    h("h3", {}, "Or by hand"),
    snippet(curl),
    h(
      "p",
      { class: "quiet" },
      "The header x-agent-id says who called; x-team and x-tenant-id may say more.",
    ),
  );
}

/** Stands in the place of a table without rows; asks whether there is any call at all. */
export async function emptyTable(context) {
  const { newest_seq } = await context.api.summary();
  return newest_seq === 0 ? firstCall(context) : h("div", { class: "card" }, emptyRange(context));
}

/** No call fits the range and the filters. */
export function emptyRange(context) {
  const { filters, status, error_type, range, span } = context.state;
  const filtered = Object.keys(filters).length > 0 || status || error_type;
  const wider = !span && [MONTH, QUARTER, "month"].includes(range) ? QUARTER : MONTH;
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, filtered ? "No calls fit these filters" : "No calls in this range"),
    h(
      "p",
      { class: "quiet" },
      filtered ? "Fewer filters or a longer time may show some." : "A longer time may show some.",
    ),
    h(
      "div",
      { class: "empty-actions" },
      filtered &&
        action("Clear the filters", () =>
          context.go({ filters: {}, status: null, error_type: null }),
        ),
      (span || range !== QUARTER) &&
        action(WIDER_NAMES[wider], () => context.go({ range: wider, span: null })),
    ),
  );
}

function action(text, click) {
  return h(
    "button",
    { type: "button", class: "control", "data-key": text, on: { click } },
    text,
  );
}

function snippet(text) {
  const copied = h("span", { class: "visually-hidden", role: "status" });
  const button = h(
    "button",
    {
      type: "button",
      class: "control copy",
      "data-key": text,
      on: {
        click: async () => {
          await navigator.clipboard.writeText(text);
          button.firstChild.textContent = "Copied";
          copied.textContent = "Copied";
        },
      },
    },
    "Copy",
  );
  return h(
    "div",
    { class: "snippet" },
    h("pre", { tabindex: "0" }, h("code", {}, text)),
    button,
    copied,
  );
}
