// @ts-check
/** What nodes said when they last ran, from ComfyUI's history: a page that was opened again has only that. No DOM. */

/** Prompts that are looked through, the newest first. */
const PROMPTS = 64;

/** The id of a canvas that was cleared: it gets its own when it is saved. */
const NO_ID = "00000000-0000-0000-0000-000000000000";

/** Is this the canvas node that the server calls `id`? Inside a subgraph ids read "outer:inner". @param {any} node @param {string} id */
export function isNode(node, id) {
  const path = String(id).split(":");
  const inside = Boolean(node.graph && node.graph.rootGraph && node.graph !== node.graph.rootGraph);
  return path.at(-1) === String(node.id) && path.length > 1 === inside;
}

/** Is the node that the server calls `id` this `inner` one of the subgraph's node `outer`? @param {any} outer @param {any} inner @param {string} id */
export function isInside(outer, inner, id) {
  const path = String(id).split(":");
  return path.at(-1) === String(inner.id) && path.length > 1 && isNode(outer, path.slice(0, -1).join(":"));
}

/** The text among a node's results, or null. @param {any} output what its `ui` was */
export function textOf(output) {
  const texts = output?.text;
  if (texts === undefined || texts === null) return null;
  return Array.isArray(texts) ? texts.join("\n") : String(texts);
}

/** The newest text of a node in a history, as the route gives it; of this node's workflow, or of one without an id (a script's).
 * @param {any} node @param {Record<string, any>} history @returns {string|null} */
export function lastText(node, history) {
  const workflow = (node.graph?.rootGraph ?? node.graph)?.id;
  for (const { prompt, outputs } of Object.values(history).reverse()) {
    const [, , graph, extra] = prompt ?? [];
    const of = extra?.extra_pnginfo?.workflow?.id ?? NO_ID;
    if (of !== NO_ID && of !== workflow) continue;
    for (const [id, output] of Object.entries(outputs ?? {})) {
      const text = isNode(node, id) && graph?.[id]?.class_type === node.comfyClass ? textOf(output) : null;
      if (text !== null) return text;
    }
  }
  return null;
}

/** Asks the server once for all nodes that are made in one go. @param {any} api ComfyUI's api object */
export function makeLastTexts(api) {
  /** @type {Promise<Record<string, any>>|null} */
  let asked = null;
  return async (/** @type {any} */ node) => {
    asked ??= api.fetchApi(`/history?max_items=${PROMPTS}`).then((/** @type {Response} */ response) => response.json());
    const answer = asked;
    try {
      return lastText(node, await /** @type {Promise<Record<string, any>>} */ (answer));
    } catch {
      return null; // a server that is away has no last word either
    } finally {
      if (asked === answer) asked = null;
    }
  };
}
