// @ts-check
/** The one file of this pack that ComfyUI loads by itself: it registers the tabs, the node's display and the listeners. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { makeActions } from "./actions.mjs";
import { attachRuns, TEST } from "./after/choose_run.mjs";
import { makeNotifier } from "./after/notify.mjs";
import { watchAgain } from "./again.mjs";
import { attachBring, DATASET } from "./bring/node.mjs";
import { openDataset } from "./dataset/dialog.mjs";
import { attachDatasetButton, DATASET_NODE } from "./dataset/node_button.mjs";
import { makeDatasetRoutes } from "./dataset/routes.mjs";
import { foldAdvanced, hideFoldedBadge, refoldAll } from "./folding.mjs";
import { isNode, makeLastTexts } from "./last_texts.mjs";
import { attachNodeDisplay, attachToHolder } from "./node_display.mjs";
import { NextRun, TRAIN_NODE } from "./next_run.mjs";
import { attachNodeText, TEXT_NODES } from "./node_text.mjs";
import { makeOwnPresets } from "./own_presets.mjs";
import { openPresets } from "./presets_dialog.mjs";
import { openAsByHand } from "./saved_before.mjs";
import { mountPanel } from "./panel.mjs";
import { Refusals, showNode } from "./refusals.mjs";
import { makeServer } from "./server.mjs";
import { Session } from "./session.mjs";
import { setLanguage, t } from "./strings.mjs";
import { loadTexts, translated, translateWorkflow } from "./translate.mjs";

const OURS = "LoRACanvas";
const EVENT = "lora_canvas.run";
const STYLES = ["vendor/uPlot", ...["panel", "run", "charts", "lists", "node", "lightbox", "presets", "after", "bring", "dataset", "tiles", "wide"].map((name) => `styles/${name}`)];

const server = makeServer(api);
const session = new Session(server);
const lastTexts = makeLastTexts(api);
const nextRun = new NextRun(app, server);
const refusals = new Refusals();
const actions = makeActions(app, session, server);
const notifier = makeNotifier(window);
const own = makeOwnPresets(api);
const nameOf = (/** @type {string} */ type) => /** @type {any} */ (globalThis).LiteGraph?.registered_node_types?.[type]?.title ?? type;
const presets = (/** @type {any} */ node, /** @type {() => void} */ done) =>
  openPresets(node, { graph: node.graph, server, own, nameOf, done, tell: actions.tell }).catch((error) => actions.tell("error", error.message));
const datasets = makeDatasetRoutes(api);
const dataset = (/** @type {any} */ node) =>
  openDataset(node, { app, api, routes: datasets, isTraining: () => session.live.size > 0, isNode }).catch((error) => actions.tell("error", translated(error.message)));
const context = { session, server, notifier, nextRun, refusals, showNode: (/** @type {string} */ id) => showNode(app, id), presets, ...actions };

/** Style sheets stand beside this file, wherever the pack's folder is served. */
function loadStyles() {
  for (const file of STYLES) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(`./${file}.css`, import.meta.url).href;
    document.head.append(link);
  }
}

/** A tab whose content lives as long as the tab is open. @param {string} id */
function makeTab(id) {
  let unmount = () => {};
  return {
    id,
    title: t("title"),
    type: "custom",
    // ComfyUI may call render again with the same element.
    render(/** @type {HTMLElement} */ element) {
      unmount();
      unmount = mountPanel(element, context);
    },
    destroy() {
      unmount();
      unmount = () => {};
    },
  };
}

/** Know what trains after the page opens, and after the server was away. */
const refresh = () => session.refresh().catch((error) => console.warn("[LoRA Canvas]", error));

/** At once, not in setup: the websocket may bring records before that. */
function listen() {
  api.addEventListener(EVENT, (/** @type {CustomEvent} */ event) => {
    session.receive(event.detail);
    const ended = event.detail.records.find((/** @type {any} */ record) => record.event === "ended");
    if (!ended) return;
    nextRun.ask();
    notifier.ended({ ...ended, run: event.detail.run });
  });
  api.addEventListener("reconnected", refresh);
  for (const end of ["execution_error", "execution_interrupted"]) {
    // A run that died without a last word would else be shown as training for ever.
    api.addEventListener(end, () => session.live.size && refresh());
  }
  // What Run would do is another thing after each of these; newer frontends tell of changes on the canvas.
  for (const change of ["graphChanged", "execution_success", "execution_error", "execution_interrupted"]) {
    api.addEventListener(change, () => nextRun.ask());
  }
  refusals.watch(api);
  watchAgain(api, context.tellAgain);
}

loadStyles();
listen();

app.registerExtension({
  name: "LoRACanvas",
  bottomPanelTabs: [makeTab("lora-canvas-bottom")],
  async setup() {
    const locale = app.extensionManager?.setting?.get?.("Comfy.Locale");
    setLanguage(locale);
    await loadTexts(api, locale).catch((error) => console.warn("[LoRA Canvas]", error));
    app.extensionManager.registerSidebarTab({ ...makeTab("lora-canvas"), icon: "pi pi-chart-line", tooltip: t("title") });
    app.ui.settings.addEventListener("Comfy.VueNodes.Enabled.change", () => setTimeout(() => refoldAll(app.graph), 0));
    await refresh();
  },
  beforeConfigureGraph: translateWorkflow,
  nodeCreated(/** @type {any} */ node) {
    if (node.subgraph) attachToHolder(node, context);
    if (!node.comfyClass?.startsWith(OURS)) return;
    if (node.comfyClass === DATASET) attachBring(node, context);
    if (node.comfyClass === TEST) attachRuns(node, session);
    foldAdvanced(node);
    hideFoldedBadge(node);
    for (const { element } of node.widgets ?? []) if (element?.tagName === "TEXTAREA") element.classList.add("lora-canvas-text");
    if (TEXT_NODES.includes(node.comfyClass)) attachNodeText(node, app, lastTexts);
    if (node.comfyClass === DATASET_NODE) attachDatasetButton(node, () => dataset(node));
    if (node.comfyClass !== TRAIN_NODE) return;
    attachNodeDisplay(node, context);
    openAsByHand(node);
  },
});
