// @ts-check
/** Which run this is, how far it got, and the buttons that steer it. */
import { h, icon, setShown, setText } from "./dom.mjs";
import * as format from "./format.mjs";
import { secondsLeft, secondsTaken } from "./store.mjs";
import { has, statusText, statusTone, statusWord, t } from "./strings.mjs";
import { translated } from "./translate.mjs";

/** @typedef {import("./store.mjs").Run} Run */

const COMMANDS = [
  { action: "stop", icon: "stop-circle" },
  { action: "pause", icon: "pause" },
  { action: "save", icon: "save" },
  { action: "preview", icon: "image" },
];

const RESUMABLE = ["paused", "interrupted", "stopped", "cancelled", "failed"];
const ASKED = /** @type {Record<string, string>} */ ({ pause: "pausing", stop: "stopping" });

/** Is it at work before its first step? Of another process' run nothing is known yet then. @param {Run} run */
function prepares(run) {
  return run.status === "running" && (run.phase !== null || !run.totalSteps) && run.step === run.startStep;
}

/** The word for a run's state; work before the first step is "preparing", a step after it was asked to end is "pausing". @param {Run} run */
export function statusOf(run) {
  if (["running", "preparing"].includes(run.status) && run.asked) return ASKED[run.asked] ?? run.status;
  return prepares(run) ? "preparing" : run.status;
}

/** "40 / 100"; of a run that was asked for fewer steps than it has, those that it has. @param {number} step @param {number} total */
export function stepsText(step, total) {
  return total >= step ? `${format.count(step)} / ${format.count(total)}` : t("steps", { count: format.count(step) });
}

/** How far along: steps, or the work before and beside them. @param {Run} run */
export function progressOf(run) {
  const { phase } = run;
  const [done, total] = phase && prepares(run) ? [phase.done, phase.total] : [run.step, run.totalSteps];
  const name = phase && (has(`phase.${phase.phase}`) ? t(`phase.${phase.phase}`) : phase.phase);
  return {
    part: total ? Math.min(done / total, 1) : 0,
    text: phase ? `${name} ${format.count(phase.done)} / ${format.count(phase.total)}`
      : run.step || run.totalSteps ? stepsText(run.step, run.totalSteps) : "",
  };
}

/** @param {Run} run @param {boolean} live */
function timeText(run, live) {
  if (!live) return secondsTaken(run) ? t("took", { time: format.duration(secondsTaken(run)) }) : "";
  const left = secondsLeft(run);
  return left === null ? "" : t("left", { time: format.duration(left) });
}

/** Is there a state to go on from? Pause writes one even before the first step. @param {Run} run */
function resumable({ status, step }) {
  return RESUMABLE.includes(statusWord(status)) && (step > 0 || status === "paused");
}

/** Where the LoRA of a run is that ended before the graph did, or that there is none. @param {Run} run */
function whereText(run) {
  const { status, lora, name } = run;
  if (RESUMABLE.includes(statusWord(status)) && !resumable(run)) return t("nothingToResume");
  return lora && ["paused", "cancelled"].includes(status) ? t("whereIs", { file: `${name}/${lora}` }) : "";
}

/** @param {Run} run */
function unansweredText({ unanswered }) {
  if (!unanswered) return "";
  const what = t(unanswered.action === "learning_rate" ? "rateScale" : unanswered.action);
  return t("unanswered", { what, seconds: unanswered.seconds });
}

/** Small buttons for what is done with a run that has ended. @param {import("./messages.mjs").After} after @param {() => Run|null} shown
 * @param {() => string} note */
function makeTools(after, shown, note) {
  const tool = (/** @type {string} */ key, /** @type {string} */ name, /** @type {(name: string) => void} */ work) =>
    h("button.tool", { type: "button", title: `${t(key)}: ${t(`${key}Hint`)}`, "aria-label": t(key), "data-action": key,
      onclick: () => work(/** @type {Run} */ (shown()).name) }, icon(name));
  const open = tool("openFolder", "external-link", after.openFolder);
  return { open, element: h("div.tools", {}, open, tool("exportSettings", "file-export", after.exportSettings),
    tool("note", "comment", (name) => after.note(name, note())), tool("rename", "pencil", after.rename), tool("delete", "trash", after.remove)) };
}

/**
 * @param {{command: (name: string, action: string) => void, resume: (name: string) => void, openWorkflow: (name: string) => void,
 *   after: import("./messages.mjs").After}} actions
 */
export function makeRunHeader(actions) {
  /** @type {Run|null} */
  let run = null;
  const name = h("h2.run-name");
  const status = h("span.status");
  const bar = h("div.bar-fill");
  const track = h("div.bar", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, bar);
  const steps = h("span");
  const time = h("span.muted");
  const error = h("p.error", { hidden: true });
  const by = h("p.muted.elsewhere", { hidden: true });
  const unanswered = h("p.error", { hidden: true, role: "status" });
  const where = h("p.muted", { hidden: true });
  const button = (/** @type {string} */ key, /** @type {string} */ iconName, /** @type {() => void} */ onclick) =>
    h("button.button", { type: "button", title: t(`${key}Hint`), onclick, "data-action": key }, icon(iconName), h("span", {}, t(key)));
  const commands = h("div.commands", {}, ...COMMANDS.map(({ action, icon: name }) => button(action, name, () => run && actions.command(run.name, action))));
  const resume = button("resume", "play", () => run && actions.resume(run.name));
  const withLora = (/** @type {(run: Run, file: string) => void} */ work) => () => run?.lora && work(run, run.lora);
  const lora = [button("use", "plus-circle", withLora(({ name }, file) => actions.after.use(`${name}/${file}`))),
    button("download", "download", withLora(({ name }, file) => actions.after.download(name, file)))];
  let note = "";
  const noted = h("p.note", { hidden: true });
  const tools = makeTools(actions.after, () => run, () => note);
  const later = h("div.later", {},
    h("div.commands", {}, resume, ...lora, button("openWorkflow", "folder-open", () => run && actions.openWorkflow(run.name))), tools.element);
  const element = h("section.section.run-header", {},
    h("div.run-title", {}, name, status), track, h("div.run-progress", {}, steps, time), by, unanswered, error, noted, where, commands, later);

  return {
    element,
    /** @param {Run} shown @param {boolean} live @param {string|null} elsewhere the process that trains it, where that is not this ComfyUI
     * @param {{note?: string, opens?: boolean}} about what was written about it, and whether its folder can be opened */
    update(shown, live, elsewhere = null, about = {}) {
      run = shown;
      note = about.note ?? "";
      setText(noted, note);
      setShown(noted, Boolean(note));
      setShown(tools.open, Boolean(about.opens));
      for (const button of lora) setShown(button, Boolean(run.lora));
      const state = statusOf(run);
      const progress = progressOf(run);
      setText(name, run.name);
      name.title = run.name;
      setText(status, statusText(state));
      status.dataset.status = statusTone(state);
      bar.style.transform = `scaleX(${progress.part})`;
      track.dataset.status = statusTone(state);
      track.setAttribute("aria-valuenow", String(Math.round(progress.part * 100)));
      const epoch = run.last && !run.phase ? `  ·  ${t("epoch", { epoch: run.last.epoch.toFixed(1) })}` : "";
      setText(steps, progress.text + epoch);
      setText(time, timeText(run, live));
      setText(error, translated(run.error ?? ""));
      setShown(error, Boolean(run.error));
      setText(by, elsewhere ? t("elsewhere", { who: elsewhere }) : "");
      setShown(by, Boolean(elsewhere));
      setText(unanswered, live ? unansweredText(run) : "");
      setShown(unanswered, Boolean(unanswered.textContent));
      setText(where, live ? "" : whereText(run));
      setShown(where, Boolean(where.textContent));
      setShown(commands, live);
      setShown(later, !live);
      for (const action of commands.children) action.disabled = run.asked !== null && action.dataset.action in ASKED;
      setShown(resume, resumable(run));
    },
  };
}
