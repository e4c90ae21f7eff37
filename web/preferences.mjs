// @ts-check
/** What the user likes the charts to look like, and whether to be told when a run ends, kept by the browser. A browser that keeps nothing
 * costs only that. */

const KEY = "LoRACanvas.Panel";
const DEFAULTS = { smoothing: 0.97, log: false, notify: false };

/** @returns {typeof DEFAULTS} */
export function preferences() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

/** @param {Partial<typeof DEFAULTS>} change */
export function prefer(change) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...preferences(), ...change }));
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}
