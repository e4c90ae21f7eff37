// @ts-check
/** What need not be set is folded away on the classic canvas too, behind a switch; Vue nodes bring a switch of their own. Both keep in the
 * node's `showAdvanced`, which the canvas saves in the file, whether it is open. */
import { t } from "./strings.mjs";

const SWITCH = "more_settings";

/** @param {any} node @returns {Record<string, any>} what the schema says of each input, by name */
function optionsOf(node) {
  const { required = {}, optional = {} } = node.constructor?.nodeData?.input ?? {};
  return Object.fromEntries(Object.entries({ ...required, ...optional }).map(([name, [, options]]) => [name, options ?? {}]));
}

/** Older canvases keep a row for a hidden widget unless it says that it needs none: 4 pixels less than the space between two.
 * @param {any} widget @param {boolean} hide */
function setHidden(widget, hide) {
  if (hide && widget.computeSize !== NO_ROW) {
    widget.loraCanvasSize = widget.computeSize;
    widget.computeSize = NO_ROW;
  } else if (!hide && widget.computeSize === NO_ROW) {
    widget.computeSize = widget.loraCanvasSize;
  }
  Object.assign(widget, { advanced: true, hidden: hide });
}

const NO_ROW = () => [0, -4];

const drawnByVue = () => Boolean(/** @type {any} */ (globalThis).LiteGraph?.vueNodesMode);

/** Hides a node's advanced widgets and adds the switch. Nothing is done where there are none. @param {any} node one that was just made */
export function foldAdvanced(node) {
  const options = optionsOf(node);
  const folded = (node.widgets ?? []).filter((/** @type {any} */ widget) => options[widget.name]?.advanced);
  if (!folded.length) return;
  const turn = () => {
    node.showAdvanced = !node.showAdvanced;
    refold();
    node.setSize?.([node.size[0], node.computeSize()[1]]);
    node.setDirtyCanvas?.(true, true);
  };
  // Behind all that is saved: values stand in the file by their place.
  const button = node.addWidget("button", SWITCH, null, turn, { serialize: false, canvasOnly: true });
  button.serialize = false;

  const label = () => {
    if (node.showAdvanced) return t("fewerSettings");
    const changed = folded.filter((/** @type {any} */ widget) => widget.value !== (options[widget.name].default ?? widget.value)).length;
    const words = t("moreSettings", { count: folded.length });
    return changed ? `${words}  ·  ${t("settingsChanged", { count: changed })}` : words;
  };
  // What is wired stays: hidden, its socket would go too, and the row of the subgraph's node that it is joined to.
  const isWired = (/** @type {string} */ name) => node.inputs?.some((/** @type {any} */ one) => one.widget?.name === name && one.link != null);
  function refold() {
    const hide = !drawnByVue() && !node.showAdvanced;
    for (const widget of folded) setHidden(widget, hide && !isWired(widget.name));
    button.label = label();
  }
  for (const name of ["onConfigure", "onConnectionsChange"]) {
    const before = node[name];
    node[name] = function (/** @type {any[]} */ ...args) {
      const result = before?.apply(this, args);
      refold();
      return result;
    };
  }
  node.loraCanvasRefold = refold;
  refold();
  node.setSize?.([node.size[0], node.computeSize()[1]]);
}

/** A node of which only the title shows has its badge over the node above it: there it shows none. Vue nodes have theirs inside.
 * @param {any} node one that was just made */
export function hideFoldedBadge(node) {
  const draw = node.drawBadges;
  node.drawBadges = function (/** @type {any[]} */ ...args) {
    if (!this.flags?.collapsed) draw?.apply(this, args);
  };
}

/** After the other renderer was chosen. @param {any} graph */
export function refoldAll(graph) {
  for (const node of graph?.nodes ?? graph?._nodes ?? []) {
    node.loraCanvasRefold?.();
    if (node.subgraph) refoldAll(node.subgraph);
  }
}
