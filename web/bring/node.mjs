// @ts-check
/** The Load Dataset node takes what is dropped on it, and has a button for its folder. */
import { t } from "../strings.mjs";
import { isWired, widgetOf } from "../wired.mjs";
import { openBring } from "./dialog.mjs";
import { filesOfDrop, holdsFiles } from "./dropped.mjs";

export const DATASET = "LoRACanvasLoadDataset";
const BUTTON = "choose_folder";

/** Sets the folder as if it had been typed, in one step of the canvas's undo. @param {any} node @param {string} folder */
export function setFolder(node, folder) {
  const widget = widgetOf(node, "folder");
  if (!widget) return;
  node.graph?.beforeChange?.();
  widget.value = folder;
  widget.callback?.(folder);
  node.setDirtyCanvas?.(true, true);
  node.graph?.afterChange?.();
}

/** @param {any} node a Load Dataset node that was just made
 * @param {{server: import("../server.mjs").Server, tell: (severity: "info"|"error", text: string) => void}} context */
export function attachBring(node, { server, tell }) {
  const failed = (/** @type {any} */ error) => tell("error", error?.message ?? String(error));
  const open = (/** @type {import("./dropped.mjs").Given[]|null} */ given) =>
    openBring(given, { server, tell, use: (folder) => setFolder(node, folder) }).catch(failed);
  const button = node.addWidget("button", BUTTON, null, () => open(null), { serialize: false });
  button.label = t("bring");
  button.serialize = false; // else the file holds a value for it

  const over = node.onDragOver;
  node.onDragOver = function (/** @type {DragEvent} */ event) {
    return (holdsFiles(event.dataTransfer) && !isWired(node, "folder")) || over?.call(this, event) || false;
  };
  const dropped = node.onDragDrop;
  node.onDragDrop = function (/** @type {DragEvent} */ event) {
    if (!holdsFiles(event.dataTransfer) || isWired(node, "folder")) return dropped?.call(this, event) ?? false;
    filesOfDrop(/** @type {DataTransfer} */ (event.dataTransfer)).then(open).catch(failed);
    return true;
  };
}
