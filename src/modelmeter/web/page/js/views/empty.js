// What stands there before the first call, and where a range holds none.

import { h } from "../dom.js";

/** How to send the first call, with this gateway's own address. */
export function firstCall() {
  const base = `${location.origin}/openai/v1`;
  const program = `export OPENAI_BASE_URL=${base}`;
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
    snippet(program),
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

/** No call fits the range and the filters. */
export function emptyRange(context) {
  const filtered = Object.keys(context.state.filters).length > 0;
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, filtered ? "No calls fit these filters" : "No calls in this range"),
    h("p", { class: "quiet" }, "The ledger has calls, but none here."),
    h(
      "div",
      { class: "empty-actions" },
      filtered &&
        h(
          "button",
          { type: "button", class: "control", on: { click: () => context.go({ filters: {} }) } },
          "Clear the filters",
        ),
      h(
        "button",
        {
          type: "button",
          class: "control",
          on: { click: () => context.go({ range: "30d", span: null }) },
        },
        "Show the last 30 days",
      ),
    ),
  );
}

function snippet(text) {
  const copied = h("span", { class: "visually-hidden", role: "status" });
  const button = h(
    "button",
    {
      type: "button",
      class: "control copy",
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
