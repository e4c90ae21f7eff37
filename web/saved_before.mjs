// @ts-check
/** Workflows that were saved before a widget was there: what their node did then, it does still. */

const WIDGET = "memory";
const AS_BEFORE = "by hand";

/** A Train LoRA node whose saved values end before `memory` is by hand, whatever new nodes are. @param {any} node one that was just made */
export function openAsByHand(node) {
  const configured = node.onConfigure;
  node.onConfigure = function (/** @type {any[]} */ ...args) {
    const result = configured?.apply(this, args);
    const saved = args[0]?.widgets_values;
    const widgets = (node.widgets ?? []).filter((/** @type {any} */ widget) => widget.serialize !== false);
    const place = widgets.findIndex((/** @type {any} */ widget) => widget.name === WIDGET);
    if (place >= 0 && saved && !(Array.isArray(saved) ? saved.length > place : WIDGET in saved)) widgets[place].value = AS_BEFORE;
    return result;
  };
}
