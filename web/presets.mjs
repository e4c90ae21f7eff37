// @ts-check
/** What a preset would change on the wired nodes, the change itself, and the file of one's own settings. Pure but for the nodes. */
import { isWired, widgetOf } from "./wired.mjs";

/** @typedef {{node: string, widget: string, value: any, why: Record<string, string>, source: string}} Setting */
/** @typedef {{setting: Setting, node: any, widget: any, from: any}} Change */
/** @typedef {{setting: Setting, reason: "noNode"|"noWidget"|"wired"|"notAllowed"}} Left */

export const FORMAT = "lora_canvas preset";

/** Nodes whose settings one's own presets hold, and what they never do: training/presets/record.py has both, a Python test compares. */
export const SETTING_NODES = ["LoRACanvasLoRANetwork", "LoRACanvasOptimizer", "LoRACanvasTrainingObjective", "LoRACanvasBucketConfig",
  "LoRACanvasCaptionConfig", "LoRACanvasLoadDataset", "LoRACanvasSamplePreview", "LoRACanvasTrainLoRA", "LoRACanvasSaveLoRA", "LoRACanvasLoKrOptions",
  "UNETLoader"];
export const PERSONAL = ["folder", "mask_folder", "regularisation_folder", "validation_folder", "reference_folder", "trigger_word", "trigger_words",
  "run_name", "filename", "resume", "prompts", "preservation_trigger", "preservation_class", "assistant_name", "unet_name", "ckpt_name"];

/** What the preset changes, what is already so, and what cannot be set. @param {Map<string, any>} nodes by type @param {Setting[]} settings
 * @returns {{changes: Change[], same: Change[], left: Left[]}} */
export function compare(nodes, settings) {
  /** @type {{changes: Change[], same: Change[], left: Left[]}} */
  const found = { changes: [], same: [], left: [] };
  for (const setting of settings) {
    const node = nodes.get(setting.node);
    const widget = node && widgetOf(node, setting.widget);
    const reason = !node ? "noNode" : !widget ? "noWidget" : isWired(node, setting.widget) ? "wired" : allows(widget, setting.value) ? null : "notAllowed";
    if (reason) found.left.push({ setting, reason });
    else (widget.value === setting.value ? found.same : found.changes).push({ setting, node, widget, from: widget.value });
  }
  return found;
}

/** Whether the widget can hold the value. @param {any} widget @param {any} value */
export function allows(widget, value) {
  const { values, min, max } = widget.options ?? {};
  if (widget.type === "combo" || values) return (typeof values === "function" ? values() : (values ?? [])).includes(value);
  if (typeof widget.value === "number") return typeof value === "number" && !(value < min) && !(value > max);
  return typeof value === typeof widget.value;
}

/** Sets the widgets as if they had been typed. One step of the canvas's undo. @param {any} graph @param {Change[]} changes */
export function apply(graph, changes) {
  graph?.beforeChange?.();
  for (const { node, widget, setting } of changes) {
    widget.value = setting.value;
    widget.callback?.(setting.value);
  }
  for (const node of new Set(changes.map((change) => change.node))) {
    node.loraCanvasRefold?.();
    node.setDirtyCanvas?.(true, true);
  }
  graph?.afterChange?.();
}

/** The settings of the wired nodes as a preset's file; what is one's own (names, folders, words) is left out, and so is what a wire brings.
 * @param {string} name @param {Map<string, any>} nodes @returns {string} */
export function fileOf(name, nodes) {
  const kept = SETTING_NODES.filter((type) => nodes.has(type)).map((type) => [type, settingsOf(nodes.get(type))]);
  return JSON.stringify({ format: FORMAT, version: 1, name, nodes: Object.fromEntries(kept) }, null, 1);
}

function settingsOf(/** @type {any} */ node) {
  const ours = (node.widgets ?? []).filter((/** @type {any} */ one) => one.serialize !== false && one.type !== "button" && !PERSONAL.includes(one.name)
    && ["number", "string", "boolean"].includes(typeof one.value) && one.name !== "control_after_generate" && !isWired(node, one.name));
  return Object.fromEntries(ours.map((/** @type {any} */ one) => [one.name, one.value]));
}

/** A name that every system takes for a file. @param {string} name */
export const fileName = (name) => name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_").replace(/^[.\s]+|[.\s]+$/g, "").slice(0, 80);
