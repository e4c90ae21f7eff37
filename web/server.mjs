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

  /** @param {string} path @param {any} body */
  const post = (path, body) => json(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

  const run = (/** @type {string} */ name) => `/runs/${encodeURIComponent(name)}`;

  return {
    /** @returns {Promise<{runs: {run: string, node: string, latest: any, elsewhere?: string}[], device: {name: string, total_memory: number}, opens: boolean}>} */
    live: () => json("/live"),
    /** What the last run of a model's file took, or null. @param {string} model @returns {Promise<any>} */
    memory: async (model) => (await json(`/memory?model=${encodeURIComponent(model)}`)).last,
    /** What Run would do with a Train LoRA node. @param {any} prompt as it is queued @param {string} node @returns {Promise<any>} */
    next: (prompt, node) => post("/next", { prompt, node }),
    /** How long a run of a Train LoRA node will be. @param {any} prompt as it is queued @param {string} node @returns {Promise<any>} */
    estimate: (prompt, node) => post("/estimate", { prompt, node }),
    /** What a run will take, or null where that is known once the model is loaded. @param {Record<string, any>} wanted @returns {Promise<any>} */
    plan: async (wanted) => (await post("/plan", wanted)).plan,
    /** What presets there are, and which fit the loader's model. @param {{folder: string, model: string}|null} loader @returns {Promise<any>} */
    presets: (loader) => json(`/presets?${new URLSearchParams(loader ?? {})}`),
    /** A preset that ships, or a file's. @param {Record<string, string>} wanted @returns {Promise<any>} */
    preset: (wanted) => post("/presets", wanted),
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
    control: (name, action, value) => post(`${run(name)}/control`, { action, value }),
    /** What deleting the run would free. @param {string} name @returns {Promise<{files: number, bytes: number, lora: boolean, saved: {file: string, bytes: number}[]}>} */
    runSize: (name) => json(`${run(name)}/size`),
    /** @param {string} name @param {string} text */
    noteRun: (name, text) => post(`${run(name)}/note`, { text }),
    /** @param {string} name @param {string} to @returns {Promise<{name: string}>} */
    renameRun: (name, to) => post(`${run(name)}/rename`, { to }),
    /** @param {string} name @param {boolean} saved its files in models/loras too */
    deleteRun: (name, saved) => post(`${run(name)}/delete`, { saved }),
    /** In the file manager of the machine that ComfyUI runs on. @param {string} name */
    openRun: (name) => post(`${run(name)}/open`, {}),
    /** What LoraLoader lists now. @returns {Promise<string[]>} */
    loraNames: async () => (await (await api.fetchApi("/object_info/LoraLoader")).json()).LoraLoader.input.required.lora_name[0],
    /** The folders of pictures in the input folder, and what may be sent there. @returns {Promise<{folders: {name: string, pictures: number}[], most_files: number, most_bytes: number, free: number}>} */
    inputs: () => json("/inputs"),
    /** What sending would do. @param {string} folder @param {[string, number][]} files @returns {Promise<{states: string[], bytes: number, free: number, problem: string}>} */
    lookAtInputs: (folder, files) => post("/inputs/look", { folder, files }),
    /** @param {Record<string, string>} query folder, file, size, replace */
    inputUrl: (query) => api.apiURL(`${PREFIX}/inputs/file?${new URLSearchParams(query)}`),
    /** @param {string} name @param {string} file below the run's folder */
    loraUrl: (name, file) => api.apiURL(`${PREFIX}${run(name)}/loras/${file.split("/").map(encodeURIComponent).join("/")}`),
    /** @param {string} name @param {string} file */
    sampleUrl: (name, file) => api.apiURL(`${PREFIX}${run(name)}/files/samples/${encodeURIComponent(file)}`),
    /** @param {string} name @param {string} file */
    thumbnailUrl: (name, file) =>
      api.apiURL(`${PREFIX}${run(name)}/files/samples/small/${encodeURIComponent(file.replace(/\.png$/, ".jpg"))}`),
  };
}

/** @typedef {ReturnType<typeof makeServer>} Server */
