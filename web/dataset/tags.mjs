// @ts-check
/** Tags of captions, how often each is there, and which pictures a filter lets through. No DOM. */

export const tagsOf = (/** @type {string} */ caption) => caption.split(/[,\n]/).map((tag) => tag.trim()).filter(Boolean);

/** Every tag with how many pictures have it, the most frequent first. @param {{caption: string, left_out: boolean}[]} rows
 * @returns {[string, number][]} */
export function countTags(rows) {
  /** @type {Map<string, [string, number]>} */
  const counts = new Map();
  for (const { caption, left_out: out } of rows) {
    if (out) continue;
    const own = new Map(tagsOf(caption).map((tag) => [tag.toLowerCase(), tag]));
    for (const [key, tag] of own) {
      const known = counts.get(key);
      if (known) known[1] += 1;
      else counts.set(key, [tag, 1]);
    }
  }
  return [...counts.values()].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
}

/** @typedef {{text: string, tag: string|null, state: string}} Filter `state`: "" for all, "warnings", "left_out", "trained", or a warning's code */

/** The places of the rows that a filter lets through. @param {any[]} rows @param {Filter} filter @returns {number[]} */
export function filtered(rows, { text, tag, state }) {
  const [wanted, own] = [text.trim().toLowerCase(), tag?.toLowerCase()];
  /** @type {number[]} */
  const found = [];
  rows.forEach((row, index) => {
    if (state === "left_out" && !row.left_out) return;
    if (state === "trained" && row.left_out) return;
    if (state === "warnings" && !row.warnings.length) return;
    if (state && !["left_out", "trained", "warnings"].includes(state) && !row.warnings.some(([code]) => code === state)) return;
    if (own && !tagsOf(row.caption).some((one) => one.toLowerCase() === own)) return;
    if (wanted && !row.caption.toLowerCase().includes(wanted) && !row.name.toLowerCase().includes(wanted)) return;
    found.push(index);
  });
  return found;
}
