// @ts-check
/** The numbers one looks at first: loss, validation, speed, memory, learning rate. */
import { smooth } from "./curve.mjs";
import { h, setShown, setText } from "./dom.mjs";
import * as format from "./format.mjs";
import { bestValidation, speed } from "./store.mjs";
import { t } from "./strings.mjs";

/** @typedef {import("./store.mjs").Run} Run */

/** Steps whose losses make up "the loss now". */
const WINDOW = 200;

function makeCell(/** @type {string} */ key) {
  const value = h("div.stat-value");
  const note = h("div.stat-note");
  return { element: h("div.stat", { "data-stat": key }, h("div.stat-label", {}, t(key)), value, note), value, note };
}

/** @param {Run} run */
function validationTexts(run) {
  const newest = run.validation.at(-1);
  const best = bestValidation(run);
  if (!newest) return [format.loss(null), ""];
  const note = best && best !== newest ? t("best", { loss: format.loss(best.loss), step: format.count(best.step) })
    : newest.relative === null ? "" : t("relative", { percent: `${Math.round(newest.relative * 100)}%` });
  return [format.loss(newest.loss), note];
}

export function makeStats() {
  const loss = makeCell("lossNow");
  const validation = makeCell("validation");
  const rate = makeCell("learningRate");
  const pace = makeCell("speed");
  const memory = makeCell("memory");
  const norm = makeCell("meanNorm");
  const now = h("div.meter-now");
  const peak = h("div.meter-peak");
  const meter = h("div.meter", {}, now, peak);
  memory.element.insertBefore(meter, memory.note);
  const element = h("section.section.stats", {}, loss.element, validation.element, pace.element, rate.element, norm.element, memory.element);

  function showMemory(/** @type {Run} */ run, /** @type {number} */ total) {
    const used = run.last?.memory;
    const most = run.last?.peak_memory;
    setShown(memory.element, used !== null && used !== undefined);
    setText(memory.value, format.memory(used));
    setText(memory.note, total ? t("peak", { peak: format.memory(most), total: format.memory(total) }) : t("peakOnly", { peak: format.memory(most) }));
    setShown(meter, Boolean(total));
    if (!total) return;
    now.style.transform = `scaleX(${Math.min((used ?? 0) / total, 1)})`;
    peak.style.left = `${Math.min((most ?? 0) / total, 1) * 100}%`;
    meter.dataset.full = String((most ?? 0) / total > 0.94);
  }

  return {
    element,
    /** @param {Run} run @param {number} totalMemory bytes of the device, 0 when the run is not of this session */
    update(run, totalMemory) {
      const smoothed = smooth(run.columns.loss.slice(-WINDOW), 0.97).at(-1);
      setText(loss.value, format.loss(smoothed));
      setText(loss.note, smoothed === undefined ? "" : t("smoothed"));
      const [held, note] = validationTexts(run);
      setShown(validation.element, run.validation.length > 0);
      setText(validation.value, held);
      setText(validation.note, note);
      const at = speed(run);
      setText(pace.value, format.imagesPerSecond(at?.imagesPerSecond));
      setText(pace.note, at ? t("perStep", { seconds: at.secondsPerStep.toPrecision(2) }) : "");
      const rates = Object.values(run.last?.lr ?? {});
      setText(rate.value, format.rate(rates[0]));
      setText(rate.note, rates.slice(1).map(format.rate).join("  ·  "));
      const mean = run.last?.mean_norm;
      setShown(norm.element, typeof mean === "number");
      setText(norm.value, format.loss(mean));
      setText(norm.note, t("scaled", { count: run.last?.scaled_modules ?? 0 }));
      showMemory(run, totalMemory);
    },
  };
}
