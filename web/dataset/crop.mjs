// @ts-check
/** Where a picture and its crop lie in a box. No DOM. */

/** The style of a picture of `size` that fits into a box, its shape kept. @param {number[]} size @param {{width: number, height: number}} box */
export function fitted([width, height], box) {
  const scale = Math.min(box.width / width, box.height / height);
  return { width: `${Math.round(width * scale)}px`, height: `${Math.round(height * scale)}px` };
}

/** The style of the part that is trained, in a box that is the whole picture. @param {number[]} crop left, top, width, height, 0..1 */
export function cropBox([left, top, width, height]) {
  const percent = (/** @type {number} */ part) => `${100 * part}%`;
  return { left: percent(left), top: percent(top), width: percent(width), height: percent(height) };
}
