// @ts-check
/** What will hurt, in words: the codes are those of training/data/editing/rows.py. No DOM. */
import { t } from "../strings.mjs";

export const CODES = ["no_caption", "unfilled", "unfit", "same_caption", "lines", "enlarged", "cropped", "mask_shape"];

/** @param {[string, any]} warning */
export function warningText([code, value]) {
  const shown = code === "cropped" ? Math.round(100 * value) : value;
  return t(`dsWarning.${code}`, { value: shown ?? "" });
}
