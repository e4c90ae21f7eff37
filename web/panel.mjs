// @ts-check
/** The panel: the shown run, and the list of all runs. The same in the sidebar and, wider, in the bottom panel. */
import { makeCompareView } from "./compare_view.mjs";
import { h, icon, oncePerFrame, setShown, setText } from "./dom.mjs";
import { makeGallery } from "./gallery.mjs";
import { makeLossChart } from "./loss_chart.mjs";
import { makeAlerts, makeNotes, makeRefusals } from "./messages.mjs";
import { nextText } from "./next_run.mjs";
import { makeRatesChart } from "./rates_chart.mjs";
import { makeRunHeader } from "./run_header.mjs";
import { makeRunsList } from "./runs_list.mjs";
import { makeStats } from "./stats.mjs";
import { t } from "./strings.mjs";

/**
 * @typedef {object} Context
 * @property {import("./session.mjs").Session} session
 * @property {import("./server.mjs").Server} server
 * @property {import("./next_run.mjs").NextRun} nextRun
 * @property {import("./refusals.mjs").Refusals} refusals
 * @property {(id: string) => void} showNode
 * @property {(name: string, action: string, value?: number) => void} command
 * @property {(name: string) => void} resume
 * @property {(name: string) => void} openWorkflow
 * @property {import("./messages.mjs").After} after
 * @property {(severity: "info"|"error", text: string) => void} tell
 * @property {ReturnType<typeof import("./after/notify.mjs").makeNotifier>} notifier
 */

let panels = 0;

/** @param {Context} context */
function makeRunPage(context) {
  const { session } = context;
  // Charts of one panel share their cursor and zoom; two open panels do not disturb each other.
  const syncKey = `lora-canvas-${++panels}`;
  const header = makeRunHeader(context);
  const stats = makeStats();
  const loss = makeLossChart({ syncKey });
  const rates = makeRatesChart({ syncKey, onScale: (factor) => session.shown && context.command(session.shown, "learning_rate", factor) });
  const gallery = makeGallery(context);
  const alerts = makeAlerts();
  const notes = makeNotes(context.after);
  const empty = h("div.empty", {}, h("p.empty-title", {}, t("empty")), h("p.muted", {}, t("emptyHint")));
  const loading = h("p.muted.empty", {}, t("loading"));
  const content = h("div.run-page", {},
    h("div.column.column-facts", {}, header.element, alerts.element, stats.element),
    h("div.column.column-charts", {}, loss.element, rates.element),
    h("div.column.column-samples", {}, gallery.element, notes.element));

  return {
    element: h("div.page", {}, empty, loading, content),
    update() {
      const run = session.get(session.shown);
      setShown(empty, session.ready && !session.shown);
      setShown(loading, !session.ready || Boolean(session.shown && !run));
      setShown(content, Boolean(run));
      if (!run) return;
      const live = session.live.has(run.name);
      const elsewhere = session.live.get(run.name)?.elsewhere ?? null;
      header.update(run, live, elsewhere, { note: session.about(run.name)?.note, opens: session.opens });
      stats.update(run, !elsewhere && (live || run.last) ? session.device?.total_memory ?? 0 : 0);
      setShown(loss.element, run.columns.step.length > 0);
      setShown(rates.element, run.columns.step.length > 0);
      loss.update(run);
      rates.update(run, live);
      alerts.update(run);
      notes.update(run);
      gallery.update(run);
    },
    destroy() {
      loss.destroy();
      rates.destroy();
    },
  };
}

/** Whether to be told when a run ends. @param {Context} context */
function makeBell({ notifier, tell }) {
  const bell = h("button.toggle.bell", { type: "button", title: t("notifyHint"), "aria-pressed": String(notifier.on) }, icon("bell"), h("span", {}, t("notify")));
  bell.onclick = async () => {
    const now = await notifier.set(!notifier.on);
    bell.setAttribute("aria-pressed", String(now !== "off"));
    if (now !== "off") tell("info", t(now === "on" ? "notifyOn" : "notifyTitle"));
  };
  return bell;
}

/** @param {Context} context @param {(name: string) => void} open */
function makeRunsPage(context, open) {
  const compare = makeCompareView(context);
  const list = makeRunsList({ open, tick: (names) => compare.show(names).catch(() => {}) });
  const empty = h("div.empty", {}, h("p.empty-title", {}, t("empty")), h("p.muted", {}, t("emptyHint")));
  return {
    element: h("div.page.runs-page", {}, h("div.column", {}, empty, list.element), h("div.column", {}, compare.element)),
    update() {
      setShown(empty, context.session.ready && !context.session.index.length);
      list.update(context.session.index);
    },
    destroy: () => compare.destroy(),
  };
}

/**
 * Fill `host` with the panel. @param {HTMLElement} host @param {Context} context
 * @returns {() => void} takes everything away again
 */
export function mountPanel(host, context) {
  const { session, nextRun, refusals } = context;
  let page = "run";
  const pages = {
    run: makeRunPage(context),
    runs: makeRunsPage(context, (name) => {
      session.show(name).catch(() => {});
      turnTo("run");
    }),
  };
  const tabs = ["run", "runs"].map((name) => h("button.tab", { type: "button", role: "tab", onclick: () => turnTo(name) }, t(name)));
  const next = h("p.muted.next", { hidden: true });
  const errors = makeRefusals(context.showNode);
  const root = h("div.panel", { onpointerenter: () => nextRun.ask() },
    h("nav.tabs", { role: "tablist" }, ...tabs, makeBell(context)), next, errors.element, pages.run.element, pages.runs.element);
  const draw = oncePerFrame(() => {
    pages[/** @type {"run"|"runs"} */ (page)].update();
    // While one trains, what it leaves behind decides what comes next.
    setText(next, session.live.size ? "" : [...nextRun.nodes.values()].map(nextText).join(" "));
    setShown(next, next.textContent !== "");
    errors.update(refusals.list);
  });

  function turnTo(/** @type {string} */ name) {
    page = name;
    ["run", "runs"].forEach((other, index) => {
      tabs[index].setAttribute("aria-selected", String(other === name));
      setShown(pages[/** @type {"run"|"runs"} */ (other)].element, other === name);
    });
    if (name === "runs") session.refreshIndex();
    draw();
  }

  // ComfyUI gives the tab's element no height of its own.
  host.style.height = "100%";
  host.replaceChildren(root);
  session.addEventListener("change", draw);
  nextRun.addEventListener("change", draw);
  refusals.addEventListener("change", draw);
  nextRun.ask();
  turnTo("run");
  if (session.shown) session.load(session.shown).then(draw, () => {});
  return () => {
    session.removeEventListener("change", draw);
    nextRun.removeEventListener("change", draw);
    refusals.removeEventListener("change", draw);
    draw.cancel();
    for (const part of Object.values(pages)) part.destroy();
    root.remove();
  };
}
