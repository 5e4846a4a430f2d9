// What stands around every view: brand, places to go, range and filters, notices.

import { icon, logo } from "./controls/icons.js";
import { themeButton } from "./controls/theme.js";
import { h, replace } from "./dom.js";

const PLACES = [
  ["overview", "Overview"],
  ["breakdown", "Breakdown"],
  ["calls", "Calls"],
  ["budgets", "Budgets"],
  ["advice", "Advice"],
];
const WITH_RANGE = ["overview", "breakdown", "calls"];
const BACK_SHOWN_MS = 3000;

/** `{elements, main, refresh, viewer(who), fault(text|null), refused(text), connection(state)}` */
export function pageFrame(context, controls) {
  const places = h("ul", { role: "list" });
  const live = h("span", { class: "live", role: "status" });
  const notice = h("div", { class: "notice", role: "status", hidden: true });
  const fault = h("div", { class: "notice notice-fault", role: "alert", hidden: true });
  const bar = h(
    "section",
    { class: "bar", "aria-label": "Range and filters" },
    h("div", { class: "bar-row" }, controls.filters.element, controls.range.element),
    controls.filters.chips,
  );
  const main = h("main", { id: "main", tabindex: "-1" });
  const whose = h("span", { class: "whose", hidden: true });
  const signOut = h(
    "button",
    {
      type: "button",
      class: "control quiet-control",
      hidden: true,
      "aria-label": "Sign out",
      title: "Sign out",
      on: { click: context.signOut },
    },
    icon("out"),
  );
  const header = h(
    "header",
    { class: "top" },
    h("a", { class: "brand", href: "/", "data-link": true }, logo(), h("span", {}, "modelmeter")),
    h("nav", { "aria-label": "Views" }, places),
    h("div", { class: "top-end" }, whose, live, themeButton(), signOut),
  );
  let lost = false;
  let hide = null;

  function refresh() {
    const { state } = context;
    const login = state.view === "login";
    header.hidden = login;
    footer.hidden = login;
    bar.hidden = login || !WITH_RANGE.includes(state.view) || state.id !== null;
    replace(
      places,
      PLACES.map(([view, text]) => h("li", {}, placeLink(context, view, text))),
    );
    document.title = `${PLACES.find(([view]) => view === state.view)?.[1] ?? "Sign in"} · modelmeter`;
    if (!bar.hidden) {
      controls.filters.refresh();
      controls.range.refresh();
    }
  }

  function connection(state) {
    live.dataset.state = state;
    replace(
      live,
      h("span", { class: "live-dot" }),
      h("span", {}, state === "live" ? "Live" : "Offline"),
    );
    clearTimeout(hide);
    if (state === "lost") {
      lost = true;
      notice.className = "notice notice-lost";
      replace(notice, icon("alert"), "Connection lost. The figures stand still; trying again…");
      notice.hidden = false;
    } else if (lost) {
      lost = false;
      notice.className = "notice notice-back";
      replace(notice, icon("check"), "Connected again. The figures are current.");
      hide = setTimeout(() => {
        notice.hidden = true;
      }, BACK_SHOWN_MS);
    }
  }

  const footer = h(
    "footer",
    { class: "foot" },
    h("a", { href: "/docs" }, "API"),
    h("a", { href: "/metrics" }, "Metrics"),
  );

  return {
    elements: [
      h("a", { class: "skip", href: "#main" }, "Skip to the figures"),
      header,
      bar,
      notice,
      fault,
      main,
      footer,
    ],
    main,
    refresh,
    connection,
    /** Whose page it is: a tenant's alone, and whether there is a session to end. */
    viewer({ tenant, signedIn }) {
      whose.hidden = tenant === null;
      whose.textContent = tenant ?? "";
      signOut.hidden = !signedIn;
    },
    fault(text) {
      main.hidden = false;
      fault.hidden = text === null || lost;
      replace(fault, icon("alert"), text);
    },
    /** There is nothing to show, and nothing is on its way. */
    refused(text) {
      lost = false;
      notice.hidden = true;
      replace(live);
      replace(fault, icon("alert"), text);
      fault.hidden = false;
      main.hidden = true;
    },
  };
}

function placeLink(context, view, text) {
  const current = context.state.view === view;
  return h(
    "a",
    {
      href: context.href({ view, id: null }),
      "data-link": true,
      "data-key": view,
      "aria-current": current ? "page" : undefined,
    },
    text,
  );
}
