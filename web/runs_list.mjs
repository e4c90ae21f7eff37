// @ts-check
/** Every run on disk: open one, or tick several to compare them. */
import { PALETTE } from "./chart.mjs";
import { h } from "./dom.mjs";
import * as format from "./format.mjs";
import { stepsText } from "./run_header.mjs";
import { statusText, statusTone, t } from "./strings.mjs";

/**
 * @param {{open: (name: string) => void, tick: (names: string[]) => void}} actions
 */
export function makeRunsList(actions) {
  /** @type {string[]} in the order of ticking: the order of colours */
  let ticked = [];
  let drawn = "";
  /** @type {any[]} */
  let shown = [];
  const list = h("ul.list.runs");

  function row(/** @type {any} */ run) {
    const order = ticked.indexOf(run.name);
    const box = h("input", { type: "checkbox", checked: order >= 0, "aria-label": run.name });
    box.style.accentColor = order >= 0 ? PALETTE[order % PALETTE.length] : "";
    box.onchange = () => {
      ticked = box.checked ? [...ticked, run.name] : ticked.filter((name) => name !== run.name);
      actions.tick(ticked);
      redraw();
    };
    const best = run.summary?.best?.loss;
    const smoothed = run.summary?.smoothed_loss;
    const facts = [
      stepsText(run.step, run.total_steps),
      best ? `${t("bestLoss")} ${format.loss(best)}` : smoothed ? `${t("smoothedLoss")} ${format.loss(smoothed)}` : "",
      format.when(run.updated),
      run.elsewhere ? t("elsewhereShort") : "",
    ].filter(Boolean);
    const open = h("button.run-open", { type: "button", title: run.name, onclick: () => actions.open(run.name) },
      h("span.run-line", {}, h("span.run-row-name", {}, run.name), h("span.status", { "data-status": statusTone(run.status) }, statusText(run.status))),
      run.note && h("span.clamp", { title: run.note }, run.note), h("span.muted", {}, facts.join("  ·  ")));
    return h("li.run-row", {}, box, open);
  }

  function redraw() {
    list.replaceChildren(...shown.map(row));
  }

  return {
    element: list,
    /** @param {any[]} index */
    update(index) {
      const known = ticked.filter((name) => index.some((run) => run.name === name));
      if (known.length !== ticked.length) actions.tick((ticked = known));
      const version = JSON.stringify([ticked, index.map((run) => [run.name, run.status, run.step, run.updated, run.elsewhere, run.note])]);
      if (version === drawn) return;
      drawn = version;
      shown = index;
      redraw();
    },
  };
}
