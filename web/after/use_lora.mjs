// @ts-check
/** "Use it": a LoraLoader with the LoRA, put between the model's source and whoever used it. One step of the canvas's undo. */
import { TRAIN } from "../wired.mjs";

const OURS = /^LoRACanvas/;
const GAP = 60;

/** @typedef {{node: any, slot: number}} End one end of a link */
/** @typedef {{source: End, users: End[]}} Place where a LoRA goes in: after the source, before its users */

const typeOf = (/** @type {any} */ node) => node.comfyClass ?? node.type;
const nodesOf = (/** @type {any} */ graph) => graph._nodes ?? graph.nodes ?? [];
const linkOf = (/** @type {any} */ graph, /** @type {any} */ id) => graph.getLink?.(id) ?? graph.links?.get?.(id) ?? graph.links?.[id];

/** Where the LoRA goes in for the model, and for the clip, of a graph; null where no source, or no single one, is found.
 * What Train LoRA gave to others is taken over: they shall no longer wait for a training. @param {any} graph
 * @returns {{model: Place|null, clip: Place|null}} */
export function places(graph) {
  const train = nodesOf(graph).find((/** @type {any} */ node) => typeOf(node) === TRAIN);
  const model = train ? sourceOf(graph, train, "model") : onlySource(graph, "MODEL");
  const clip = train ? sourceOf(graph, train, "clip") : onlySource(graph, "CLIP", model?.node);
  const trained = model && train ? usersOf(graph, train, "MODEL") : [];
  const behind = (/** @type {End|null} */ source, /** @type {string} */ type) =>
    source && { source, users: trained.length ? usersOf(graph, train, type) : usersOf(graph, source.node, type, source.slot) };
  return { model: behind(model, "MODEL"), clip: model && behind(clip, "CLIP") };
}

/** What gives a node's input. @param {any} graph @param {any} node @param {string} name @returns {End|null} */
function sourceOf(graph, node, name) {
  const input = (node.inputs ?? []).find((/** @type {any} */ one) => one.name === name);
  const link = input?.link == null ? null : linkOf(graph, input.link);
  const from = link && graph.getNodeById(link.origin_id);
  return from ? { node: from, slot: link.origin_slot } : null;
}

/** The one node that gives a type without taking it, the `preferred` one before others. @param {any} graph @param {string} type
 * @param {any} [preferred] @returns {End|null} */
function onlySource(graph, type, preferred) {
  const has = (/** @type {any[]} */ slots) => (slots ?? []).some((one) => one.type === type);
  const found = nodesOf(graph).filter((/** @type {any} */ node) => has(node.outputs) && !has(node.inputs) && !OURS.test(typeOf(node)));
  const node = found.includes(preferred) ? preferred : found.length === 1 ? found[0] : null;
  return node && { node, slot: node.outputs.findIndex((/** @type {any} */ one) => one.type === type) };
}

/** Who takes an output, but for our own nodes, which want the model as it is. @param {any} graph @param {any} node @param {string} type
 * @param {number} [slot] @returns {End[]} */
function usersOf(graph, node, type, slot) {
  const at = slot ?? node.outputs.findIndex((/** @type {any} */ one) => one.type === type);
  return (node.outputs[at]?.links ?? []).map((/** @type {any} */ id) => linkOf(graph, id))
    .map((/** @type {any} */ link) => ({ node: graph.getNodeById(link?.target_id), slot: link?.target_slot }))
    .filter((/** @type {End} */ end) => end.node && !OURS.test(typeOf(end.node)));
}

/** Below `pos`, the first place that no box covers. @param {[number, number]} pos @param {[number, number]} size
 * @param {{pos: ArrayLike<number>, size: ArrayLike<number>}[]} boxes @returns {[number, number]} */
export function freePlace(pos, size, boxes) {
  const [x, width, height] = [pos[0], ...size];
  let y = pos[1];
  const inTheWay = () => boxes.find((box) => x < box.pos[0] + box.size[0] + 20 && x + width > box.pos[0] - 20
    && y < box.pos[1] + box.size[1] + GAP && y + height > box.pos[1] - GAP);
  for (let box = inTheWay(); box; box = inTheWay()) y = box.pos[1] + box.size[1] + GAP;
  return [x, y];
}

/** Whether the graph uses the LoRA already. @param {any} graph @param {string} file */
export function userOf(graph, file) {
  return nodesOf(graph).find((/** @type {any} */ node) => /^LoraLoader/.test(typeOf(node)) && node.widgets?.some((/** @type {any} */ one) => one.name === "lora_name" && one.value === file));
}

/** The node with the LoRA, and how many inputs now come from it. @param {any} graph @param {(type: string) => any} make
 * @param {string} file as LoraLoader lists it @param {string[]} files all that it lists @returns {{node: any, wired: number}} */
export function useLora(graph, make, file, files) {
  const { model, clip } = places(graph);
  graph.beforeChange?.();
  const node = make(model && !clip ? "LoraLoaderModelOnly" : "LoraLoader");
  const widget = node.widgets.find((/** @type {any} */ one) => one.name === "lora_name");
  if (Array.isArray(widget.options?.values)) widget.options.values = files;
  const { pos, size } = model?.source.node ?? { pos: [0, 0], size: [0, 0] };
  node.pos = freePlace([pos[0], pos[1] + size[1] + GAP], [...node.size], nodesOf(graph));
  graph.add(node);
  widget.value = file;
  widget.callback?.(file);
  let wired = 0;
  for (const [place, name, type] of /** @type {[Place|null, string, string][]} */ ([[model, "model", "MODEL"], [clip, "clip", "CLIP"]])) {
    if (!place) continue;
    place.source.node.connect(place.source.slot, node, node.inputs.findIndex((/** @type {any} */ one) => one.name === name));
    const out = node.outputs.findIndex((/** @type {any} */ one) => one.type === type);
    for (const user of place.users) {
      node.connect(out, user.node, user.slot);
      wired += 1;
    }
  }
  graph.setDirtyCanvas?.(true, true);
  graph.afterChange?.();
  return { node, wired };
}
