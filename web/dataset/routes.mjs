// @ts-check
/** The routes of a data set that is edited (host/panel/dataset_routes.py), as functions. */

const PREFIX = "/lora_canvas/dataset";
/** Browsers send a request on after the page is closed while its body is smaller than 64 KiB. */
const KEPT_ALIVE = 60_000;

/** An answer that is none, with all that the server said. */
export class Refusal extends Error {
  /** @param {number} status @param {any} content */
  constructor(status, content) {
    super(content?.error ?? String(status));
    this.status = status;
    this.content = content;
  }
}

/** @param {any} api ComfyUI's api object */
export function makeDatasetRoutes(api) {
  /** @param {string} path @param {any} body */
  async function post(path, body) {
    const text = JSON.stringify(body);
    const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: text, keepalive: text.length < KEPT_ALIVE };
    const response = await api.fetchApi(PREFIX + path, options);
    const content = await response.json().catch(() => ({}));
    if (!response.ok) throw new Refusal(response.status, content);
    return content;
  }

  return {
    /** @param {any} prompt as it is queued @param {string} node @returns {Promise<{key: string, folder: string, rows: any[], told: string[], undo: string|null}>} */
    open: (prompt, node) => post("", { prompt, node }),
    /** @param {string} key @param {string} what one of EDITS of the server @param {any} body
     * @returns {Promise<{rows: Record<string, any>, undo: string|null, undone?: string, skipped?: string}>} */
    edit: (key, what, body) => post(`/${key}/${what}`, body),
    /** @param {string} key @param {number} index @param {string} version @param {"small"|"large"} kind */
    pictureUrl: (key, index, version, kind) => api.apiURL(`${PREFIX}/${key}/pictures/${index}?kind=${kind}&v=${version}`),
    /** @param {string} key @param {number} index @param {string} version */
    maskUrl: (key, index, version) => api.apiURL(`${PREFIX}/${key}/masks/${index}?v=${version}`),
  };
}

/** @typedef {ReturnType<typeof makeDatasetRoutes>} Routes */
