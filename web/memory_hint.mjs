// @ts-check
/** What a Train LoRA node says of memory before Run: the plan of the model's file where core's loader gives it, else what the last run of
 * the model took. */
import * as format from "./format.mjs";
import { t } from "./strings.mjs";

const WIDGETS = ["ckpt_name", "unet_name"];
const MOST = 100;

/** The loaders of core that a plan can be made behind, with ComfyUI's name for their folder. */
const FOLDERS = /** @type {Record<string, string>} */ ({ CheckpointLoaderSimple: "checkpoints", UNETLoader: "diffusion_models" });

/** What decides what a step takes: the widgets of the node itself, and of those before it, by the input that leads there. */
const DECIDING = /** @type {[string|null, string[]][]} */ ([
  [null, ["batch_size", "gradient_accumulation", "precision", "memory", "gradient_checkpointing"]],
  ["dataset", ["resolution"]],
  ["network", ["algorithm", "rank", "conv_rank", "targets"]],
  ["optimizer", ["optimizer", "text_encoder_lr", "text_encoder_rates"]],
]);

/** The nearest node with one of the widgets, from `node` on through whatever else has the input. @param {any} node @param {string} input
 * @param {string[]} names @returns {{at: any, widget: any}|null} */
function nearest(node, input, names) {
  for (let at = node, steps = 0; at && steps < MOST; steps += 1) {
    const widget = at.widgets?.find((/** @type {any} */ one) => names.includes(one.name));
    if (widget) return { at, widget };
    const slot = at.inputs?.findIndex((/** @type {any} */ one) => one.name === input) ?? -1;
    // Newer frontends do not look for what a node is linked to that is in no graph, yet or any more.
    at = slot < 0 || !at.graph ? null : (at.getInputNode?.(slot) ?? null);
  }
  return null;
}

/** The model's file by the loader that the node's `model` comes from; null where none is found. @param {any} node @returns {string|null} */
export function modelOf(node) {
  const value = nearest(node, "model", WIDGETS)?.widget.value;
  return typeof value === "string" ? value : null;
}

/** The model's file with ComfyUI's name for its folder, by core's loader; null behind any other. @param {any} node
 * @returns {{folder: string, model: string}|null} */
export function loaderOf(node) {
  const loader = nearest(node, "model", WIDGETS);
  const folder = FOLDERS[loader?.at.type ?? ""];
  return loader && folder && typeof loader.widget.value === "string" ? { folder, model: loader.widget.value } : null;
}

/** What the server is to plan for; null where no loader of core is found, a wire brings what decides (as into a subgraph), or text encoders
 * are trained: then it is known once they are loaded. @param {any} node @returns {Record<string, any>|null} */
export function wantedOf(node) {
  const loader = nearest(node, "model", WIDGETS);
  const folder = FOLDERS[loader?.at.type ?? ""];
  if (!loader || !folder || typeof loader.widget.value !== "string" || node.isSubgraphNode?.()) return null;
  /** @type {Record<string, any>} */
  const found = { folder, model: loader.widget.value };
  const dtype = loader.at.widgets.find((/** @type {any} */ one) => one.name === "weight_dtype");
  if (dtype) found.weight_dtype = dtype.value;
  for (const [input, names] of DECIDING) {
    const at = input === null ? node : nearest(node, input, names)?.at;
    if (at?.inputs?.some((/** @type {any} */ one) => names.includes(one.name) && one.link != null)) return null;
    for (const widget of at?.widgets ?? []) if (names.includes(widget.name)) found[widget.name] = widget.value;
  }
  const { text_encoder_lr: encoders, text_encoder_rates: own, ...wanted } = found;
  return encoders || own ? null : wanted;
}

/** @param {any} last what the server knows of it, or null */
export function memoryText(last) {
  return last ? worded("memoryLast", last) : t("memoryUnknown");
}

/** @param {any} plan */
export const planText = (plan) => worded("memoryPlan", plan);

/** @param {string} key @param {any} found */
function worded(key, { takes, free, pixels, batch_size: batch, how }) {
  return t(key, { takes: format.memory(takes), free: format.memory(free), pixels, batch, how });
}

/** Asks anew where anything that decides is another. Calls `show` with a text, twice where the plan comes later. @param {any} node
 * @param {{memory: (model: string) => Promise<any>, plan: (wanted: Record<string, any>) => Promise<any>}} server
 * @param {(text: string) => void} show */
export function makeMemoryHint(node, server, show) {
  /** @type {string|undefined} */
  let asked;
  return async () => {
    const [model, wanted] = [modelOf(node), wantedOf(node)];
    const asking = JSON.stringify([model, wanted]);
    if (asking === asked) return;
    asked = asking;
    const last = model === null ? null : await server.memory(model).catch(() => null);
    if (asked !== asking) return;
    show(memoryText(last));
    const plan = wanted === null ? null : await server.plan(wanted).catch(() => null);
    if (asked === asking && plan) show(planText(plan));
  };
}
