// @ts-check
/** The run on the Train LoRA node itself, and on a subgraph's node that holds one: progress, time left, a small curve, the newest sample. */
import { COLOURS } from "./chart.mjs";
import { h, oncePerFrame, setShown, setText } from "./dom.mjs";
import * as format from "./format.mjs";
import { isInside, isNode } from "./last_texts.mjs";
import { openLightbox } from "./lightbox.mjs";
import { makeMemoryHint } from "./memory_hint.mjs";
import { lengthText, nextText, TRAIN_NODE } from "./next_run.mjs";
import { CHOSEN } from "./presets_dialog.mjs";
import { progressOf, statusOf } from "./run_header.mjs";
import { drawSparkline } from "./sparkline.mjs";
import { secondsLeft } from "./store.mjs";
import { statusText, statusTone, t } from "./strings.mjs";

/** @typedef {import("./store.mjs").Run} Run */

/** The same with and without a run: a node that grows when it starts would cover its neighbours. */
const HEIGHT = 136;
const NAME = "lora_canvas_display";

/** @param {import("./panel.mjs").Context} context @param {(() => void)|null} choose a preset, where that is possible */
function makeView({ server }, choose) {
  /** @type {Run|null} */
  let run = null;
  const hint = h("div.node-hint");
  const next = h("div.node-hint");
  const preset = h("button.node-preset", { type: "button", title: t("presetButtonHint"), hidden: !choose, onclick: choose }, t("presetButton"));
  const foot = h("div.node-foot", {}, next, preset);
  const length = h("div.node-length");
  const idle = h("div.node-idle", {}, h("div", {}, t("idle")), length, hint);
  const fill = h("div.bar-fill");
  const bar = h("div.bar", {}, fill);
  const steps = h("span");
  const time = h("span.muted");
  const canvas = h("canvas.sparkline");
  const image = h("img", { alt: "", loading: "lazy" });
  const sample = h("button.thumbnail.node-sample", { type: "button", hidden: true }, image);
  sample.onclick = () => {
    const newest = run?.previews.at(-1);
    if (run && newest) openLightbox({ server, run, prompt: 0, step: newest.step });
  };
  const active = h("div.node-active", { hidden: true }, bar, h("div.run-progress", {}, steps, time), h("div.node-row", {}, canvas, sample));

  return {
    element: h("div.node", {}, idle, active, foot),
    hint: (/** @type {string} */ text) => setText(hint, text),
    /** How long a run would be. @param {string} text */
    length(text) {
      setText(length, text);
      next.title = text;
    },
    /** What Run would do, and what was chosen; neither while it trains. @param {string} text @param {string|undefined} chosen @param {boolean} live */
    foot(text, chosen, live) {
      setText(next, text);
      setText(preset, chosen ? t("presetButtonOf", { name: chosen }) : t("presetButton"));
      setShown(foot, !live);
    },
    /** @param {Run|null} shown @param {boolean} live */
    update(shown, live) {
      run = shown;
      setShown(idle, !run);
      setShown(active, Boolean(run));
      if (!run) return;
      const progress = progressOf(run);
      fill.style.transform = `scaleX(${progress.part})`;
      bar.dataset.status = statusTone(statusOf(run));
      setText(steps, progress.text);
      const left = secondsLeft(run);
      setText(time, live ? (left === null ? "" : t("left", { time: format.duration(left) })) : statusText(statusOf(run)));
      drawSparkline(canvas, run.columns.loss, COLOURS.smoothed);
      const newest = run.previews.at(-1)?.images[0];
      setShown(sample, Boolean(newest));
      const source = newest ? server.thumbnailUrl(run.name, newest.file) : "";
      if (newest && image.dataset.source !== source) {
        image.dataset.source = source;
        image.src = source;
        sample.title = newest.prompt;
      }
    },
  };
}

/** @param {any} node a Train LoRA node that was just made, or a subgraph's @param {import("./panel.mjs").Context} context
 * @param {any} train the Train LoRA node that it shows the run of: itself, or one inside */
export function attachNodeDisplay(node, context, train = node) {
  const { session, nextRun } = context;
  const isOurs = (/** @type {string} */ id) => (train === node ? isNode(node, id) : isInside(node, train, id));
  // A preset fills widgets; of a subgraph some are on the one node and some inside.
  const view = makeView(context, train === node ? () => context.presets(node, draw) : null);
  /** @type {string|null} the run that this node made since the page opened */
  let name = null;

  const widget = node.addDOMWidget(NAME, "lora-canvas-display", view.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => HEIGHT,
    getMaxHeight: () => HEIGHT,
  });
  widget.serialize = false; // else older canvases keep a value for it in the file
  // Vue nodes take the height from the style, the classic canvas from getMinHeight.
  view.element.style.minHeight = `${HEIGHT}px`;
  const [width, needed] = node.computeSize?.() ?? node.size;
  node.setSize?.([Math.max(node.size[0], width), Math.max(node.size[1], needed)]);

  const draw = oncePerFrame(() => {
    for (const [run, { node: id }] of session.live) if (isOurs(id)) name = run;
    const run = session.get(name) ?? null;
    const live = name !== null && session.live.has(name);
    view.update(run, live);
    const of = (/** @type {Map<string, any>} */ known) => [...known].find(([id]) => isOurs(id))?.[1];
    const answer = of(nextRun.nodes);
    view.length(lengthText(of(nextRun.lengths), answer));
    view.foot(nextText(answer), node.properties?.[CHOSEN], live);
  });
  session.addEventListener("change", draw);
  nextRun.addEventListener("change", draw);
  const ask = makeMemoryHint(node, context.server, view.hint);
  // Where the loader's file was changed meanwhile, this is the first that is heard of it.
  view.element.addEventListener("pointerenter", () => {
    ask();
    nextRun.ask();
  });
  for (const name of ["onConnectionsChange", "onConfigure"]) {
    const before = node[name];
    node[name] = function (/** @type {any[]} */ ...args) {
      setTimeout(ask, 0); // links are joined after the nodes are made
      return before?.apply(this, args);
    };
  }
  ask();
  const removed = node.onRemoved;
  node.onRemoved = function (/** @type {any[]} */ ...args) {
    session.removeEventListener("change", draw);
    nextRun.removeEventListener("change", draw);
    draw.cancel();
    return removed?.apply(this, args);
  };
  draw();
  return widget;
}

/** The same on a subgraph's node, where one Train LoRA node is inside. @param {any} node that was just made
 * @param {import("./panel.mjs").Context} context */
export function attachToHolder(node, context) {
  /** @type {any} */
  let widget;
  // What is inside is known only later; each time it is configured it begins with no widgets but those of its inputs.
  const put = () => setTimeout(() => {
    const inside = node.subgraph.nodes.filter((/** @type {any} */ one) => one.comfyClass === TRAIN_NODE);
    if (inside.length !== 1 || !node.graph || node.widgets?.some((/** @type {any} */ one) => one.name === NAME)) return;
    if (widget) node.addCustomWidget(widget);
    else widget = attachNodeDisplay(node, context, inside[0]);
  }, 0);
  const configured = node.onConfigure;
  node.onConfigure = function (/** @type {any[]} */ ...args) {
    put();
    return configured?.apply(this, args);
  };
  put();
}
