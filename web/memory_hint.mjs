// @ts-check
/** What a Train LoRA node says of memory before Run: what the last run of the model that is wired to it took. */
import * as format from "./format.mjs";
import { t } from "./strings.mjs";

const WIDGETS = ["ckpt_name", "unet_name"];
const MOST = 100;

/** The model's file by the loader that the node's `model` comes from, through LoRAs and whatever else has one; null where none is found.
 * @param {any} node @returns {string|null} */
export function modelOf(node) {
  for (let at = node, steps = 0; at && steps < MOST; steps += 1) {
    const widget = at.widgets?.find((/** @type {any} */ one) => WIDGETS.includes(one.name));
    if (widget) return typeof widget.value === "string" ? widget.value : null;
    const slot = at.inputs?.findIndex((/** @type {any} */ input) => input.name === "model") ?? -1;
    // Newer frontends do not look for what a node is linked to that is in no graph, yet or any more.
    at = slot < 0 || !at.graph ? null : (at.getInputNode?.(slot) ?? null);
  }
  return null;
}

/** @param {any} last what the server knows of it, or null */
export function memoryText(last) {
  if (!last) return t("memoryUnknown");
  const { takes, free, pixels, batch_size: batch, how } = last;
  return t("memoryLast", { takes: format.memory(takes), free: format.memory(free), pixels, batch, how });
}

/** Asks anew where the model is another one. Calls `show` with a text. @param {any} node
 * @param {{memory: (model: string) => Promise<any>}} server @param {(text: string) => void} show */
export function makeMemoryHint(node, server, show) {
  /** @type {string|null|undefined} */
  let asked;
  return async () => {
    const model = modelOf(node);
    if (model === asked) return;
    asked = model;
    const last = model === null ? null : await server.memory(model).catch(() => null);
    if (asked === model) show(memoryText(last));
  };
}
