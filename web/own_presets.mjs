// @ts-check
/** One's own presets: files in the folder that ComfyUI keeps for its user, through ComfyUI's own routes. Our menu of presets lists them. */
import { fileName } from "./presets.mjs";

const FOLDER = "lora_canvas/presets";
const path = (/** @type {string} */ name) => `/userdata/${encodeURIComponent(`${FOLDER}/${fileName(name)}.json`)}`;

/** @param {any} api ComfyUI's api object */
export function makeOwnPresets(api) {
  /** @param {string} route @param {RequestInit} [options] */
  async function ask(route, options) {
    const response = await api.fetchApi(route, options);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return response;
  }
  return {
    /** @param {string} name @returns {Promise<string>} the file's text */
    read: async (name) => (await ask(path(name))).text(),
    /** @param {string} name @param {string} text */
    save: async (name, text) => void (await ask(`${path(name)}?overwrite=true`, { method: "POST", body: text })),
    /** @param {string} name */
    remove: async (name) => void (await ask(path(name), { method: "DELETE" })),
  };
}
