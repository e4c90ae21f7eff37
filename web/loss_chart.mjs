// @ts-check
/** The loss of one run: every step, smoothed, validation. */
import { Chart, COLOURS } from "./chart.mjs";
import { align, smooth } from "./curve.mjs";
import { h, setShown } from "./dom.mjs";
import * as format from "./format.mjs";
import { makeLegend } from "./legend.mjs";
import { prefer, preferences } from "./preferences.mjs";
import { t } from "./strings.mjs";

/** @typedef {import("./store.mjs").Run} Run */

/** The slider's positions stand for these weights: fine where smoothing is strong. */
const weightOf = (/** @type {number} */ position) => (position === 0 ? 0 : 1 - 10 ** (-position / 25));
const positionOf = (/** @type {number} */ weight) => (weight <= 0 ? 0 : Math.round(-25 * Math.log10(1 - weight)));

/** Columns for the chart. @param {Run} run @param {number} weight */
export function lossColumns(run, weight) {
  const { step, loss } = run.columns;
  const held = run.validation;
  return align([
    { x: step, ys: [loss, smooth(loss, weight)] },
    { x: held.map((item) => item.step), ys: [held.map((item) => item.loss)] },
  ]);
}

/** @param {{syncKey: string}} options */
export function makeLossChart({ syncKey }) {
  let weight = preferences().smoothing;
  /** @type {Run|null} */
  let run = null;
  let drawn = "";

  const entries = [
    { label: t("raw"), colour: COLOURS.raw, dense: COLOURS.rawDense, width: 1 },
    { label: t("smoothed"), colour: COLOURS.smoothed, width: 2 },
    { label: t("validationCurve"), colour: COLOURS.validation, width: 1.5, points: true, sparse: true },
  ];
  const host = h("div.chart", { title: "" });
  const reset = h("button.link", { type: "button", title: t("zoomHint"), hidden: true, onclick: () => chart.resetZoom() }, t("resetZoom"));
  const chart = new Chart(host, entries, { syncKey, onCursor: readOut, onZoom: (zoomed) => setShown(reset, zoomed) });
  const legend = makeLegend(entries, (index, shown) => chart.setShown(index, shown));
  const element = h("section.section.chart-section", {},
    h("header.section-head", {}, h("h3.title", {}, t("lossCurve")), reset, smoothing(), logSwitch()),
    legend.element, host);

  function smoothing() {
    const slider = h("input.slider", { type: "range", min: "0", max: "100", value: String(positionOf(weight)), "aria-label": t("smoothing") });
    slider.oninput = () => {
      weight = weightOf(Number(slider.value));
      prefer({ smoothing: weight });
      draw();
    };
    return h("label.control", { title: t("smoothing") }, h("span.muted", {}, t("smoothing")), slider);
  }

  function logSwitch() {
    const button = h("button.toggle", { type: "button", title: t("logHint"), "aria-pressed": String(preferences().log) }, t("log"));
    chart.setLog(preferences().log);
    button.onclick = () => {
      const log = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(log));
      prefer({ log });
      chart.setLog(log);
    };
    return button;
  }

  function readOut(/** @type {number|null} */ index) {
    const [, ...columns] = chart.data;
    legend.setValues(columns.map((column) => {
      const value = index === null ? column.findLast((/** @type {any} */ item) => item !== null && item !== undefined) : column[index];
      return value === null || value === undefined ? "" : format.loss(value);
    }));
  }

  function draw() {
    if (!run) return;
    legend.setPresent(2, run.validation.length > 0);
    chart.setData(lossColumns(run, weight));
    readOut(null);
  }

  return {
    element,
    /** @param {Run} shown */
    update(shown) {
      const version = `${shown.name}:${shown.curveVersion}`;
      if (version === drawn) return;
      if (run && run !== shown) chart.resetZoom();
      drawn = version;
      run = shown;
      draw();
    },
    destroy: () => chart.destroy(),
  };
}
