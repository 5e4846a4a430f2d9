// Asks for a key with the scope `read`, where keys are configured.

import { logo } from "../controls/icons.js";
import { h } from "../dom.js";

/** context: see main.js */
export function loginView(context) {
  const key = h("input", {
    type: "password",
    name: "key",
    required: true,
    autocomplete: "current-password",
    spellcheck: "false",
  });
  const fault = h("p", { class: "fault", role: "alert" });
  const form = h(
    "form",
    { class: "card login", on: { submit } },
    h("p", { class: "login-brand" }, logo(), "modelmeter"),
    h("h1", {}, "Sign in"),
    h(
      "p",
      { class: "quiet" },
      "This gateway asks for a key with the scope read. To make one: ",
      h("code", {}, "modelmeter key new --scope read"),
    ),
    h("label", {}, "Gateway key", key),
    fault,
    h("button", { type: "submit", class: "primary" }, "Sign in"),
  );

  async function submit(event) {
    event.preventDefault();
    fault.textContent = "";
    const problem = await context.api.login(key.value);
    if (problem === null) context.signedIn();
    else fault.textContent = problem;
    key.value = "";
  }
  return {
    element: h("div", { class: "login-page" }, form),
    refresh: async () => key.focus(),
    close() {},
  };
}
