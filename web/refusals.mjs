// @ts-check
/** Why a prompt did not run, as the panel says it: the sentence, and the node that it is about. */

const OURS = /^LoRACanvas/;

/** @typedef {{node: string, text: string}} Refusal */

/** What ComfyUI's validation said of our nodes; it repeats a sentence at every widget of its node.
 * @param {Record<string, {class_type: string, errors: any[]}>} nodeErrors @returns {Refusal[]} */
export function refusalsOf(nodeErrors) {
  /** @type {Map<string, Refusal>} */
  const found = new Map();
  for (const [node, { class_type: kind, errors }] of Object.entries(nodeErrors)) {
    if (!OURS.test(kind)) continue;
    for (const { type, message, details, extra_info: { input_name: widget } = {} } of errors) {
      const text = type === "custom_validation_failed" ? details.replace(`${widget} - `, "") : `${message}: ${details}`;
      found.set(`${node}\n${text}`, { node, text });
    }
  }
  return [...found.values()];
}

/** What stands in the way of Run; says "change". */
export class Refusals extends EventTarget {
  /** @type {Refusal[]} */
  list = [];

  /** @param {any} api ComfyUI's api object: what it queues is watched */
  watch(api) {
    const queue = api.queuePrompt;
    api.queuePrompt = async (/** @type {any[]} */ ...args) => {
      this.#say([]);
      try {
        return await queue.apply(api, args);
      } catch (error) {
        this.#say(refusalsOf(/** @type {any} */ (error)?.response?.node_errors ?? {}));
        throw error;
      }
    };
    api.addEventListener("execution_start", () => this.#say([]));
    api.addEventListener("execution_error", ({ detail: { node_id: node, node_type: kind, exception_message: text } }) => {
      if (OURS.test(kind)) this.#say([{ node: String(node), text: String(text).trim() }]);
    });
  }

  /** @param {Refusal[]} list */
  #say(list) {
    this.list = list;
    this.dispatchEvent(new Event("change"));
  }
}

/** Shows the node that the server calls `id`; of one inside a subgraph the node that holds it. @param {any} app ComfyUI's app @param {string} id */
export function showNode(app, id) {
  const graph = app.rootGraph ?? app.graph;
  const node = graph.getNodeById(id.split(":")[0]) ?? graph.getNodeById(Number(id.split(":")[0]));
  if (!node) return;
  if (app.canvas.graph && app.canvas.graph !== graph) app.canvas.setGraph(graph);
  app.canvas.selectNode?.(node);
  app.canvas.centerOnNode(node);
}
