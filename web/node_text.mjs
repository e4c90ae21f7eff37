// @ts-check
/** The text that a node's run ended with, on the node: to be read, scrolled and copied. */
import { h } from "./dom.mjs";
import { textOf } from "./last_texts.mjs";
import { t } from "./strings.mjs";

/** Nodes that give `ui` text on. A Python test holds them against the nodes' sources. */
export const TEXT_NODES = ["LoRACanvasAutoCaption", "LoRACanvasCaptionPreview", "LoRACanvasDatasetDoctor", "LoRACanvasSaveLoRA"];

/** Some eight lines; a node that is made larger shows more. */
const HEIGHT = 140;
const WIDTH = 360;

/** Scrolling is the text's own while it has more than it shows, and the canvas's else. @param {any} app @param {HTMLElement} box */
function scrolling(app, box) {
  box.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && box.scrollHeight > box.clientHeight) event.stopPropagation();
    else app.canvas?.processMouseWheel?.(event);
  }, { passive: false });
}

/** @param {any} node one of TEXT_NODES that was just made @param {any} app @param {(node: any) => Promise<string|null>} last */
export function attachNodeText(node, app, last) {
  const box = h("textarea.node-text", { readOnly: true, spellcheck: false, placeholder: t("textIdle"), "aria-label": t("textLabel") });
  // A textarea, and this mark: both renderers then leave its wheel, its keys and what is chosen in it alone.
  box.dataset.captureWheel = "true";
  box.style.minHeight = `${HEIGHT}px`;
  scrolling(app, box);
  const widget = node.addDOMWidget("lora_canvas_text", "lora-canvas-text", box, { serialize: false, hideOnZoom: false, getMinHeight: () => HEIGHT });
  widget.serialize = false; // else the file holds a value for it, which a widget that is added later would take for its own
  const [width, height] = node.computeSize?.() ?? node.size;
  node.setSize?.([Math.max(node.size[0], width, WIDTH), Math.max(node.size[1], height)]);

  let heard = 0;
  const executed = node.onExecuted;
  node.onExecuted = function (/** @type {any[]} */ ...args) {
    const text = textOf(args[0]);
    if (text !== null) {
      heard++;
      box.value = text;
      box.scrollTop = 0;
    }
    return executed?.apply(this, args);
  };
  const configured = node.onConfigure;
  node.onConfigure = function (/** @type {any[]} */ ...args) {
    const before = heard;
    // By then the node is in its graph, under its own id.
    setTimeout(async () => {
      const text = await last(node);
      if (text !== null && heard === before) box.value = text;
    }, 0);
    return configured?.apply(this, args);
  };
}
