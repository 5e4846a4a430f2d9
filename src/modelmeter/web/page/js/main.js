// Starts the page: the frame around the views, the address as the state, and live refreshes.

import { gatewayApi, SignInNeeded } from "./api.js";
import { learnNames } from "./charts/palette.js";
import { filterBar } from "./controls/filters.js";
import { rangePicker } from "./controls/range_picker.js";
import { applyTheme } from "./controls/theme.js";
import { replace } from "./dom.js";
import { pageFrame } from "./frame.js";
import { liveStream } from "./live.js";
import { refreshing } from "./refreshing.js";
import { address, changed, comeBack, parse, toggled } from "./state.js";
import { viewersZone } from "./times.js";
import { adviceView } from "./views/advice.js";
import { breakdownView } from "./views/breakdown.js";
import { budgetsView } from "./views/budgets.js";
import { callView } from "./views/call.js";
import { callsView } from "./views/calls.js";
import { loginView } from "./views/login.js";
import { overviewView } from "./views/overview.js";

const VIEWS = {
  overview: overviewView,
  breakdown: breakdownView,
  calls: (context) => (context.state.id ? callView(context) : callsView(context)),
  budgets: budgetsView,
  advice: adviceView,
};

const NAMES_EVERY_SECONDS = 30;
const IDLE_EVERY_SECONDS = 15;
const LOST_EVERY_SECONDS = 5;

let names = {};
let definition = { panels: [], timeZone: "UTC" };
let view = null;
let shownKey = null;
let newestSeq = null;
let shownSeq = null;

const context = {
  state: parse(new URL(location.href)),
  names: () => names,
  panels: () => definition.panels,
  hasSession: () => definition.signedIn,
  companyZone: () => definition.timeZone,
  zone: () => (context.state.zone === "company" ? definition.timeZone : viewersZone()),
  href: (parts) => address(changed(context.state, parts)),
  callsHref: (parts) => address(changed(context.state, { ...parts, view: "calls" })),
  callHref: (id) => address(changed(context.state, { view: "calls", id })),
  pick: (dimension, name) => go({ filters: toggled(context.state.filters, dimension, name) }),
  openCalls: (parts) => go({ ...parts, view: "calls" }),
  signedIn: () => {
    location.replace(comeBack(new URLSearchParams(location.search).get("next"), location.origin));
  },
  signOut: async () => {
    await context.api.logout();
    location.assign("/login");
  },
  go,
};
context.api = gatewayApi(context);
applyTheme();

const updates = refreshing(once);
const naming = refreshing(() => learn().catch(() => {}));
const live = liveStream({ onSummary: told, onState: connected });
const controls = { filters: filterBar(context), range: rangePicker(context) };
const frame = pageFrame(context, controls);

/** Go to a changed state; the address follows. */
function go(parts, { replaces = false } = {}) {
  const next = changed(context.state, parts);
  history[replaces ? "replaceState" : "pushState"](null, "", address(next));
  show(next);
}

function show(next) {
  context.state = next;
  const key = `${next.view}/${next.id ?? ""}`;
  if (key !== shownKey) {
    view?.close();
    view = VIEWS[next.view](context);
    shownKey = key;
    const wasHere = frame.main.contains(document.activeElement);
    replace(frame.main, view.element);
    window.scrollTo(0, 0);
    // Whoever follows a link by keyboard goes on in what it led to.
    if (wasHere) frame.main.focus({ preventScroll: true });
  }
  frame.refresh();
  frame.fault(null);
  live.follow(context.api.streamPath());
  return updates.now();
}

async function once() {
  const [current, asked] = [view, context.state];
  const seq = newestSeq;
  try {
    await current.refresh();
    shownSeq = seq;
    frame.fault(null);
  } catch (error) {
    if (error instanceof SignInNeeded) toLogin();
    else if (!error.isFinal) frame.fault(error.message);
    else if (asked === context.state) refused(error.message);
  } finally {
    document.body.dataset.refreshes = String(Number(document.body.dataset.refreshes ?? 0) + 1);
  }
}

/** The stream brought new figures: the figures at once, the rest of the view in its own time. */
function told(summary) {
  newestSeq = summary.newest_seq;
  if (document.hidden || context.state.view === "login") return;
  view.figures?.(summary);
  if (newestSeq !== shownSeq) {
    updates.soon(view.everySeconds());
    naming.soon(NAMES_EVERY_SECONDS);
  } else {
    updates.soon(IDLE_EVERY_SECONDS);
  }
}

/** A stream says nothing of why it ended; asking anew shows whether the session has. */
function connected(state) {
  if (state !== "unclear") frame.connection(state);
  if (state !== "live") updates.soon(LOST_EVERY_SECONDS);
}

/** What is asked for means nothing to the server, and will not by itself: nothing asks again. */
function refused(message) {
  live.end();
  frame.refused(message);
}

function toLogin() {
  if (context.state.view === "login") return;
  location.replace(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

async function learn() {
  names = await context.api.names();
  for (const all of Object.values(names)) learnNames(all);
  frame.refresh();
}

async function start() {
  document.body.append(...frame.elements);
  frame.refresh();
  if (context.state.view === "login") {
    // A link on another site brings no cookie along, though its viewer may have signed in before.
    if (await context.api.panels().catch(() => null)) return context.signedIn();
    view = loginView(context);
    replace(frame.main, view.element);
    await view.refresh();
    return;
  }
  try {
    [definition] = await Promise.all([context.api.panels(), learn()]);
    frame.viewer(definition);
  } catch (error) {
    if (error instanceof SignInNeeded) return toLogin();
    frame.fault(error.message);
    setTimeout(() => location.reload(), 5000);
    return;
  }
  // A view that somebody has gone to meanwhile was made without the panels.
  shownKey = null;
  await show(context.state);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-link]");
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  history.pushState(null, "", link.href);
  show(parse(new URL(link.href)));
});
window.addEventListener("popstate", () => show(parse(new URL(location.href))));
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && view && context.state.view !== "login") updates.now();
});

start();
