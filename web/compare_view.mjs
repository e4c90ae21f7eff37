// @ts-check
/** Several runs at once: their smoothed curves over one another, and what differs between their settings. */
import { makeCompareSamples } from "./after/compare_samples.mjs";
import { Chart, PALETTE } from "./chart.mjs";
import { align, smooth } from "./curve.mjs";
import { h, setShown } from "./dom.mjs";
import * as format from "./format.mjs";
import { makeLegend } from "./legend.mjs";
import { preferences } from "./preferences.mjs";
import { compareSettings, settingName } from "./settings_diff.mjs";
import { applyRecords, newRun } from "./store.mjs";
import { t } from "./strings.mjs";

/** Points a curve is read with: more than a screen has columns. */
const POINTS = 2000;

/** @typedef {{name: string, run: import("./store.mjs").Run, averaged: number, settings: Record<string, any>}} Compared */

/** @param {import("./server.mjs").Server} server @param {string} name @returns {Promise<Compared>} */
async function read(server, name) {
  const [about, records] = await Promise.all([server.run(name), server.log(name, 0, POINTS)]);
  const averaged = records.find((/** @type {any} */ record) => record.event === "steps")?.averaged ?? 1;
  return { name, run: applyRecords(newRun(name), records), averaged, settings: about.settings ?? {} };
}

/** Smoothing over means of `averaged` steps reaches as far as smoothing over the steps. @param {Compared} item */
function smoothed(item) {
  return smooth(item.run.columns.loss, preferences().smoothing ** item.averaged);
}

/** @param {{server: import("./server.mjs").Server}} context */
export function makeCompareView({ server }) {
  /** @type {Map<string, Compared>} */
  const known = new Map();
  /** @type {Chart|null} */
  let chart = null;
  let wanted = "";

  const legendPlace = h("div");
  const host = h("div.chart");
  const averaged = h("p.muted", { hidden: true }, t("averaged"));
  const curves = h("section.section.chart-section", { hidden: true }, h("h3.title", {}, t("lossCurve")), legendPlace, host, averaged);
  const hint = h("p.muted", {}, t("compareRuns"));
  const table = h("div.diff");
  const settings = h("section.section", { hidden: true }, h("h3.title", {}, t("differs")), table);

  const samples = makeCompareSamples({ server });

  function draw(/** @type {Compared[]} */ items) {
    chart?.destroy();
    const entries = items.flatMap(({ name }, index) => {
      const colour = PALETTE[index % PALETTE.length];
      return [{ label: name, colour, width: 2, sparse: true }, { label: t("validationCurve"), colour, width: 1, dash: [4, 4], points: true, sparse: true }];
    });
    const legend = makeLegend(entries.filter((_, index) => index % 2 === 0), (index, shown) => {
      chart?.setShown(2 * index, shown);
      chart?.setShown(2 * index + 1, shown);
    });
    legendPlace.replaceChildren(legend.element);
    chart = new Chart(host, entries, {
      onCursor: (index) => legend.setValues(items.map((_, order) => (index === null ? "" : format.loss(chart?.data[2 * order + 1]?.[index] ?? null)))),
    });
    chart.setLog(preferences().log);
    chart.setData(align(items.flatMap((item) => [
      { x: item.run.columns.step, ys: [smoothed(item)] },
      { x: item.run.validation.map((one) => one.step), ys: [item.run.validation.map((one) => one.loss)] },
    ])));
    setShown(averaged, items.some((item) => item.averaged > 1));
  }

  function drawSettings(/** @type {Compared[]} */ items) {
    const rows = compareSettings(items.map((item) => item.settings));
    const shown = items.length > 1 ? rows.filter((row) => row.differs) : rows;
    const same = rows.length - shown.length;
    const head = h("tr", {}, h("th"), ...items.map((item, index) => h("th", { style: { color: PALETTE[index % PALETTE.length] } }, item.name)));
    const body = shown.map((row) => h("tr", {}, h("th", { title: row.key }, settingName(row.key)), ...row.values.map((value) => h("td", { title: value }, value))));
    table.style.setProperty("--lora-canvas-columns", String(items.length));
    table.replaceChildren(h("table", {}, h("thead", {}, head), h("tbody", {}, ...body)),
      items.length > 1 ? h("p.muted", {}, shown.length ? t("same", { count: same }) : t("noDifference")) : "");
    const title = /** @type {HTMLElement} */ (settings.querySelector("h3"));
    title.textContent = items.length > 1 ? t("differs") : t("settings");
  }

  return {
    element: h("div.stack.compare", {}, hint, curves, samples.element, settings),
    /** @param {string[]} names */
    async show(names) {
      wanted = names.join("\n");
      const asked = wanted;
      setShown(hint, !names.length);
      setShown(curves, names.length > 0);
      setShown(settings, names.length > 0);
      if (!names.length) samples.show([]);
      if (!names.length) return;
      const items = await Promise.all(names.map((name) => known.get(name) ?? read(server, name)));
      for (const item of items) if (item.run.status !== "running") known.set(item.name, item);
      if (asked !== wanted) return;
      draw(items);
      samples.show(items.map((item) => item.run));
      drawSettings(items);
    },
    destroy: () => chart?.destroy(),
  };
}
