// @ts-check
/** The samples of several runs side by side: a row a prompt and seed, a column a run, at one step for all. */
import { PALETTE } from "../chart.mjs";
import { h, setShown, setText } from "../dom.mjs";
import * as format from "../format.mjs";
import { openLightbox } from "../lightbox.mjs";
import { t } from "../strings.mjs";

/** @typedef {import("../store.mjs").Run} Run */
/** @typedef {{prompt: string, seed: number, cells: ({run: Run, step: number, index: number, file: string}|null)[]}} Row */

/** Every step at which one of them was sampled. @param {Run[]} runs */
export const stepsOf = (runs) => [...new Set(runs.flatMap((run) => run.previews.map((preview) => preview.step)))].sort((a, b) => a - b);

/** Of each prompt and seed, in the order of the first run that has it, each run's newest picture up to `step`; null where there is none.
 * @param {Run[]} runs @param {number} step @returns {Row[]} */
export function sideBySide(runs, step) {
  /** @type {Map<string, Row>} */
  const rows = new Map();
  runs.forEach((run, column) => {
    for (const preview of run.previews) {
      preview.images.forEach(({ prompt, seed, file }, index) => {
        const key = JSON.stringify([prompt, seed]);
        const row = rows.get(key) ?? { prompt, seed, cells: runs.map(() => null) };
        rows.set(key, row);
        const before = row.cells[column];
        if (preview.step <= step && (!before || preview.step >= before.step)) row.cells[column] = { run, step: preview.step, index, file };
      });
    }
  });
  return [...rows.values()];
}

/** @param {{server: import("../server.mjs").Server}} context */
export function makeCompareSamples({ server }) {
  /** @type {Run[]} */
  let runs = [];
  /** @type {number[]} */
  let steps = [];
  const slider = h("input.slider", { type: "range", min: "0", step: "1", "aria-label": t("step") });
  const at = h("span.muted");
  const rows = h("div.stack");
  const element = h("section.section.compare-samples", { hidden: true },
    h("h3.title", {}, t("samples")), h("label.control", {}, h("span.muted", {}, t("upToStep")), slider, at), rows);

  function cell(/** @type {Row} */ row, /** @type {number} */ column) {
    const found = row.cells[column];
    const colour = PALETTE[column % PALETTE.length];
    if (!found) return h("div.compare-none.muted", { style: { borderColor: colour } }, t("noSample"));
    const { run, step, index, file } = found;
    const label = `${run.name}, ${t("atStep", { step: format.count(step) })}`;
    return h("button.thumbnail", { type: "button", title: label, style: { borderColor: colour }, onclick: () => openLightbox({ server, run, prompt: index, step }) },
      h("img", { src: server.thumbnailUrl(run.name, file), alt: `${row.prompt}, ${label}`, loading: "lazy" }),
      h("span.thumbnail-step", {}, format.count(step)));
  }

  function draw() {
    const step = steps[Number(slider.value)] ?? 0;
    setText(at, format.count(step));
    rows.replaceChildren(...sideBySide(runs, step).map((row) => h("div.strip", {},
      h("div.strip-prompt", { title: row.prompt }, h("span.clamp", {}, row.prompt), h("span.muted", {}, t("seed", { seed: row.seed }))),
      h("div.compare-row", {}, ...runs.map((_, column) => cell(row, column))))));
  }
  slider.oninput = draw;

  return {
    element,
    /** @param {Run[]} shown */
    show(shown) {
      runs = shown;
      steps = stepsOf(runs);
      slider.max = String(Math.max(0, steps.length - 1));
      slider.value = slider.max;
      setShown(element, steps.length > 0);
      rows.style.setProperty("--lora-canvas-columns", String(runs.length));
      draw();
    },
  };
}
