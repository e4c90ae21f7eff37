// @ts-check
/** The nodes that belong to a Train LoRA node: those before it that settings stand on, the model's loader, and Save LoRA behind it. */

const MOST = 200;
export const TRAIN = "LoRACanvasTrainLoRA";
const SAVE = "LoRACanvasSaveLoRA";

/** By type; of several of a type the nearest. Data and settings are looked for through every node on the way.
 * @param {any} node a Train LoRA node @returns {Map<string, any>} */
export function wiredNodes(node) {
  /** @type {Map<string, any>} */
  const found = new Map();
  const waiting = [node];
  for (let seen = new Set(waiting), count = 0; waiting.length && count < MOST; count += 1) {
    const at = waiting.shift();
    const type = at.comfyClass ?? at.type;
    if (!found.has(type)) found.set(type, at);
    for (const before of sources(at)) {
      if (before && !seen.has(before)) {
        seen.add(before);
        waiting.push(before);
      }
    }
  }
  const saver = targets(node).find((/** @type {any} */ one) => (one.comfyClass ?? one.type) === SAVE);
  if (saver) found.set(SAVE, saver);
  return found;
}

function sources(/** @type {any} */ node) {
  if (!node.graph || !node.getInputNode) return [];
  return (node.inputs ?? []).map((/** @type {any} */ input, /** @type {number} */ slot) => (input.link == null ? null : node.getInputNode(slot)));
}

function targets(/** @type {any} */ node) {
  if (!node.graph) return [];
  return (node.outputs ?? []).flatMap((/** @type {any} */ _, /** @type {number} */ slot) => node.getOutputNodes?.(slot) ?? []);
}

/** Whether a wire brings the widget's value. @param {any} node @param {string} name */
export const isWired = (node, name) => (node.inputs ?? []).some((/** @type {any} */ one) => one.name === name && one.link != null);

/** The widget of a name that is saved with the node. @param {any} node @param {string} name */
export const widgetOf = (node, name) => (node.widgets ?? []).find((/** @type {any} */ one) => one.name === name && one.serialize !== false);
