// @ts-check
/** The pack's routes, as functions. `api` is ComfyUI's: it knows the base path and how to reach the server. */

const PREFIX = "/lora_canvas";

/** @param {any} api ComfyUI's api object */
export function makeServer(api) {
  /** @param {string} path @param {RequestInit} [options] */
  async function json(path, options) {
    const response = await api.fetchApi(PREFIX + path, options);
    const content = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(content.error ?? `${response.status} ${response.statusText}`);
    return content;
  }

  const run = (/** @type {string} */ name) => `/runs/${encodeURIComponent(name)}`;

  return {
    /** @returns {Promise<{runs: {run: string, node: string, latest: any, elsewhere?: string}[], device: {name: string, total_memory: number}}>} */
    live: () => json("/live"),
    /** What the last run of a model's file took, or null. @param {string} model @returns {Promise<any>} */
    memory: async (model) => (await json(`/memory?model=${encodeURIComponent(model)}`)).last,
    /** What Run would do with a Train LoRA node. @param {any} prompt as it is queued @param {string} node @returns {Promise<any>} */
    next: (prompt, node) =>
      json("/next", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ prompt, node }) }),
    /** How long a run of a Train LoRA node will be. @param {any} prompt as it is queued @param {string} node @returns {Promise<any>} */
    estimate: (prompt, node) =>
      json("/estimate", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ prompt, node }) }),
    /** What a run will take, or null where that is known once the model is loaded. @param {Record<string, any>} wanted @returns {Promise<any>} */
    plan: async (wanted) => {
      const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wanted) };
      return (await json("/plan", options)).plan;
    },
    /** What presets there are, and which fit the loader's model. @param {{folder: string, model: string}|null} loader @returns {Promise<any>} */
    presets: (loader) => json(`/presets?${new URLSearchParams(loader ?? {})}`),
    /** A preset that ships, or a file's. @param {Record<string, string>} wanted @returns {Promise<any>} */
    preset: (wanted) => json("/presets", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wanted) }),
    /** @returns {Promise<any[]>} run.json of every run, without settings, newest first */
    runs: async () => (await json("/runs")).runs,
    /** @param {string} name */
    run: (name) => json(run(name)),
    /** @param {string} name @param {number} after only later steps @param {number} points most columns, 0: all */
    log: async (name, after = 0, points = 0) => (await json(`${run(name)}/log?after=${after}&points=${points}`)).records,
    /** What was queued. @param {string} name @returns {Promise<{workflow: any, prompt: any, node: string}>} */
    graph: (name) => json(`${run(name)}/graph`),
    /** Queue a prompt as this page. @param {any} prompt @param {any} workflow */
    queue: async (prompt, workflow) => {
      const body = { client_id: api.clientId, prompt, extra_data: workflow ? { extra_pnginfo: { workflow } } : {} };
      const response = await api.fetchApi("/prompt", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const answer = await response.json().catch(() => ({}));
      if (!response.ok) throw new Error(answer.error?.message ?? `${response.status} ${response.statusText}`);
    },
    /** @param {string} name @param {string} action @param {number} [value] */
    control: (name, action, value) =>
      json(`${run(name)}/control`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ action, value }),
      }),
    /** @param {string} name @param {string} file */
    sampleUrl: (name, file) => api.apiURL(`${PREFIX}${run(name)}/files/samples/${encodeURIComponent(file)}`),
    /** @param {string} name @param {string} file */
    thumbnailUrl: (name, file) =>
      api.apiURL(`${PREFIX}${run(name)}/files/samples/small/${encodeURIComponent(file.replace(/\.png$/, ".jpg"))}`),
  };
}

/** @typedef {ReturnType<typeof makeServer>} Server */
