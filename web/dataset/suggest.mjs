// @ts-check
/** Captions that a captioner suggests for chosen pictures, accepted or thrown away one by one. Auto Caption makes them in ComfyUI's own
 * queue, where nothing else runs meanwhile, and writes no file. */

const KIND = "LoRACanvasAutoCaption";
const NODE = "suggest";

/** What Auto Caption's widgets may be. */
const schema = () => /** @type {any} */ (globalThis).LiteGraph?.registered_node_types?.[KIND]?.nodeData?.input ?? {};

/** @param {any} [of] the schema @returns {string[]} */
export function captionersOf({ required = {}, optional = {} } = schema()) {
  const [type, options] = { ...required, ...optional }.captioner ?? [];
  return Array.isArray(type) ? type : (options?.options ?? []);
}

/** A prompt that captions these pictures and nothing else. Settings are those of the Auto Caption node behind Load Dataset, where there is
 * one, else its defaults. @param {any} prompt of the canvas @param {string} load the id of Load Dataset in it
 * @param {{captioner: string, download: boolean, names: string[]}} wanted @param {any} [of] the schema of Auto Caption */
export function promptFor(prompt, load, { captioner, download, names }, of = schema()) {
  const behind = Object.values(prompt).find((/** @type {any} */ one) => one.class_type === KIND && one.inputs.dataset?.[0] === load);
  /** @type {Record<string, any>} */
  const inputs = {};
  for (const [name, [type, options]] of /** @type {[string, any][]} */ (Object.entries({ ...of.required, ...of.optional }))) {
    const own = /** @type {any} */ (behind)?.inputs[name];
    inputs[name] = own !== undefined && !Array.isArray(own) ? own : (options?.default ?? (Array.isArray(type) ? type[0] : undefined));
  }
  Object.assign(inputs, { dataset: [load, 0], captioner, download_model: download, existing_captions: "replace", write_files: "no",
    only_pictures: names.join("\n") });
  return { [load]: prompt[load], [NODE]: { class_type: KIND, inputs } };
}

/** Queues it and waits. @param {any} api ComfyUI's api object @param {any} prompt @returns {Promise<Record<string, string>>} captions by name */
export async function suggested(api, prompt) {
  const response = await api.fetchApi("/prompt", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ client_id: api.clientId, prompt }),
  });
  const answer = await response.json();
  if (!response.ok) {
    const [node] = Object.values(answer.node_errors ?? {});
    throw new Error(/** @type {any} */ (node)?.errors?.[0]?.details ?? answer.error?.message ?? String(response.status));
  }
  return new Promise((resolve, reject) => {
    /** @type {Record<string, (event: any) => void>} */
    const listeners = {
      executed: ({ detail }) => detail.prompt_id === answer.prompt_id && detail.node === NODE && end(() => resolve(detail.output?.captions?.[0] ?? {})),
      execution_error: ({ detail }) => detail.prompt_id === answer.prompt_id && end(() => reject(new Error(detail.exception_message))),
      execution_interrupted: ({ detail }) => detail.prompt_id === answer.prompt_id && end(() => resolve({})),
    };
    const end = (/** @type {() => void} */ done) => {
      for (const [name, listener] of Object.entries(listeners)) api.removeEventListener(name, listener);
      done();
    };
    for (const [name, listener] of Object.entries(listeners)) api.addEventListener(name, listener);
  });
}
