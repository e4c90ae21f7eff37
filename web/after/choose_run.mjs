// @ts-check
/** LoRA Test's run is chosen from a list of those that there are; what a workflow says stays, and so does a wire. */
import { t } from "../strings.mjs";

export const TEST = "LoRACanvasLoRATest";
const WIDGET = "run";

/** The names to choose from: none, the runs, newest first, and what is set now. @param {any[]} index @param {any} now */
export function choices(index, now) {
  const names = index.map((run) => run.name);
  return ["", ...(typeof now === "string" && now && !names.includes(now) ? [now] : []), ...names];
}

/** @param {any} node a LoRA Test node that was just made @param {import("../session.mjs").Session} session */
export function attachRuns(node, session) {
  const at = (node.widgets ?? []).findIndex((/** @type {any} */ one) => one.name === WIDGET);
  if (at < 0) return;
  const text = node.widgets[at];
  const made = node.addWidget("combo", WIDGET, text.value, () => {}, {
    values: () => choices(session.index, made.value), getOptionLabel: (/** @type {any} */ name) => name || t("chooseRun") });
  for (const key of ["label", "tooltip", "advanced", "hidden"]) if (text[key] !== undefined) made[key] = text[key];
  made.options.advanced = text.options?.advanced;
  node.widgets.splice(node.widgets.indexOf(made), 1);
  node.widgets[at] = made;
}
