// @ts-check
/** Learning rates by group, and the factor that the user may put on the schedule while it trains. */
import { Chart, PALETTE } from "./chart.mjs";
import { h, setShown } from "./dom.mjs";
import * as format from "./format.mjs";
import { makeLegend } from "./legend.mjs";
import { has, t } from "./strings.mjs";

/** @typedef {import("./store.mjs").Run} Run */

/** A group's name for people. @param {string} group */
export function groupName(group) {
  return has(`group.${group}`) ? t(`group.${group}`) : group.replaceAll("_", " ");
}

/** @param {{syncKey: string, onScale: (factor: number) => void}} options */
export function makeRatesChart({ syncKey, onScale }) {
  /** @type {Chart|null} */
  let chart = null;
  let groups = "";
  let drawn = "";
  const host = h("div.chart.chart-small");
  const legendPlace = h("div");
  const scale = h("input.number", { type: "number", min: "0", max: "100", step: "0.1", value: "1", "aria-label": t("rateScale") });
  scale.onchange = () => scale.value !== "" && onScale(Number(scale.value));
  const scaleControl = h("label.control", { title: t("rateScaleHint") }, h("span.muted", {}, t("rateScale")), scale);
  const element = h("section.section.chart-section", {},
    h("header.section-head", {}, h("h3.title", {}, t("rates")), scaleControl), legendPlace, host);

  /** A chart has fixed series; other groups need another chart. */
  function rebuild(/** @type {string[]} */ names) {
    chart?.destroy();
    const entries = names.map((name, index) => ({ label: groupName(name), colour: PALETTE[index % PALETTE.length], width: 1.5 }));
    const legend = makeLegend(entries, (index, shown) => chart?.setShown(index, shown));
    legendPlace.replaceChildren(legend.element);
    chart = new Chart(host, entries, {
      syncKey,
      value: format.rate,
      onCursor: (index) => legend.setValues((chart?.data ?? [[]]).slice(1).map((column) => format.rate(index === null ? column.at(-1) : column[index]))),
    });
    return legend;
  }

  return {
    element,
    /** @param {Run} run @param {boolean} live */
    update(run, live) {
      setShown(scaleControl, live);
      const version = `${run.name}:${run.curveVersion}`;
      if (version === drawn) return;
      if (!drawn.startsWith(`${run.name}:`)) scale.value = "1";
      drawn = version;
      const names = Object.keys(run.columns.lr);
      if (!chart || names.join() !== groups) {
        groups = names.join();
        rebuild(names);
      }
      chart?.setData([run.columns.step, ...names.map((name) => run.columns.lr[name])]);
      chart?.options.onCursor?.(null);
    },
    destroy: () => chart?.destroy(),
  };
}
