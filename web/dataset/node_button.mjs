// @ts-check
/** The button on a Load Dataset node that opens its data set. */
import { t } from "../strings.mjs";

export const DATASET_NODE = "LoRACanvasLoadDataset";

/** @param {any} node one that was just made @param {() => void} open */
export function attachDatasetButton(node, open) {
  // Behind all that is saved: values stand in the file by their place. Older Vue nodes show a button's name, whatever its label is.
  const button = node.addWidget("button", t("dsButton"), null, open, { serialize: false });
  button.serialize = false;
  node.setSize?.([node.size[0], Math.max(node.size[1], node.computeSize()[1])]);
}
