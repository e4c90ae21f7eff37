// @ts-check
/** What a preset would change, as a table: now, then, and why; below it what it leaves alone. */
import { h } from "./dom.mjs";
import { inLanguage, t } from "./strings.mjs";

const titleOf = (/** @type {any} */ node) => node.title ?? node.type;
const shown = (/** @type {any} */ value) => (typeof value === "number" ? Number(value.toPrecision(6)).toString() : value === "" ? "–" : String(value));

/** @param {import("./presets.mjs").Left} left @param {(type: string) => string} nameOf */
function leftText({ setting, reason }, nameOf) {
  const words = { noNode: () => t("presetNoNode", { node: nameOf(setting.node) }), noWidget: () => t("presetNoWidget"), wired: () => t("presetIsWired"),
    notAllowed: () => t("presetNotAllowed", { value: shown(setting.value) }) };
  return `${nameOf(setting.node)} · ${setting.widget} = ${shown(setting.value)}: ${words[reason]()}`;
}

/** A heading that opens a list; nothing where the list is empty. @param {string} key @param {string[]} lines */
function folded(key, lines) {
  if (!lines.length) return null;
  return h("details.preset-more", {}, h("summary", {}, t(key, { count: lines.length })), h("ul", {}, ...lines.map((line) => h("li", {}, line))));
}

/**
 * @param {{changes: import("./presets.mjs").Change[], same: import("./presets.mjs").Change[], left: import("./presets.mjs").Left[]}} compared
 * @param {{unread?: {key: string, value: string, why: string}[], off?: string[]}} preset @param {(type: string) => string} nameOf
 */
export function presetTable({ changes, same, left }, preset, nameOf) {
  const why = (/** @type {import("./presets.mjs").Setting} */ { why, source }) =>
    h("td.preset-why", {}, inLanguage(why), source ? h("span.muted", {}, ` [${source}]`) : null);
  const row = (/** @type {any} */ { setting, node, widget, from }, /** @type {boolean} */ kept) => h(kept ? "tr.muted" : "tr", {},
    h("td", {}, h("span.muted", {}, `${titleOf(node)} · `), widget.label ?? widget.name), h("td.preset-value", {}, shown(from)),
    h(kept ? "td.preset-value" : "td.preset-value.preset-then", {}, kept ? "=" : shown(setting.value)), why(setting));
  const head = h("tr", {}, ...["presetSetting", "presetNow", "presetThen", "presetWhy"].map((key) => h("th", {}, t(key))));
  const table = h("table.preset-table", {}, h("thead", {}, head),
    h("tbody", {}, ...changes.map((one) => row(one, false)), ...same.map((one) => row(one, true))));
  return [table,
    folded("presetLeft", left.map((one) => leftText(one, nameOf))),
    folded("presetUnread", (preset.unread ?? []).map(({ key, value, why }) => `${key} = ${value}: ${why}`)),
    folded("presetOff", preset.off ?? []),
  ].filter(Boolean);
}
