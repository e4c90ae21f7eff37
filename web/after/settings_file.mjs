// @ts-check
/** All settings of a run as a file, from what was queued. The dialog of presets opens it and fills the nodes. Pure. */

export const FORMAT = "lora_canvas run settings";

/** What says which run it was, and would make the next one go on with it. */
const NOT_SETTINGS = ["resume"];

/** Nodes whose settings it holds: all of ours, and what loads the models. */
const WANTED = /^(LoRACanvas\w+|UNETLoader|CheckpointLoaderSimple|CLIPLoader|DualCLIPLoader|TripleCLIPLoader|VAELoader)$/;

/** @param {string} name of the run @param {any} prompt as it was queued @param {string} node the id of Train LoRA in it
 * @returns {{text: string, left: number}} the file, and how many nodes were left out since one of their type stands nearer to it */
export function settingsFile(name, prompt, node) {
  /** @type {Record<string, Record<string, any>>} */
  const nodes = {};
  let left = 0;
  for (const id of related(prompt, node)) {
    const { class_type: type, inputs } = prompt[id];
    if (!WANTED.test(type)) continue;
    if (type in nodes) left += 1;
    else nodes[type] = plain(inputs);
  }
  return { text: JSON.stringify({ format: FORMAT, version: 1, name, nodes }, null, 1), left };
}

/** The node, all that it is made from, the nearest first, and the Save LoRA nodes behind it. @param {any} prompt @param {string} node */
function related(prompt, node) {
  const found = [node];
  for (let at = 0; at < found.length; at += 1) {
    for (const value of Object.values(prompt[found[at]]?.inputs ?? {})) {
      if (isLink(value) && value[0] in prompt && !found.includes(value[0])) found.push(value[0]);
    }
  }
  const behind = Object.keys(prompt).filter((id) => prompt[id].class_type === "LoRACanvasSaveLoRA"
    && Object.values(prompt[id].inputs ?? {}).some((value) => isLink(value) && value[0] === node));
  return [...found.filter((id) => id in prompt), ...behind];
}

const isLink = (/** @type {any} */ value) => Array.isArray(value) && value.length === 2 && typeof value[0] === "string";

function plain(/** @type {Record<string, any>} */ inputs) {
  return Object.fromEntries(Object.entries(inputs ?? {}).filter(([name, value]) =>
    ["number", "string", "boolean"].includes(typeof value) && !NOT_SETTINGS.includes(name)));
}
