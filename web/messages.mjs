// @ts-check
/** What the run had to say: alerts that ask for attention, notes that do not, and the files it wrote. Repeats are counted. */
import { h, icon, setShown } from "./dom.mjs";
import * as format from "./format.mjs";
import { has, t } from "./strings.mjs";
import { translated } from "./translate.mjs";

/** @typedef {import("./store.mjs").Run} Run */
/** @typedef {ReturnType<typeof import("./after/run_actions.mjs").makeRunActions>} After */

const ICONS = /** @type {Record<string, string>} */ ({ error: "times-circle", warning: "exclamation-triangle", info: "info-circle" });
/** Files listed; the folder has them all. */
const FILES = 6;

/** @param {Run["messages"][number]} message */
function line({ level, text, step, count }) {
  const facts = [step === null ? "" : t("atStep", { step: format.count(step) }), count > 1 ? `×${count}` : ""].filter(Boolean).join("  ·  ");
  return h("li.message", { "data-level": level }, icon(ICONS[level] ?? ICONS.info), h("div", {}, h("div", {}, translated(text)), facts && h("div.stat-note", {}, facts)));
}

/** As LoraLoader lists it: below the folder of runs. @param {string} run @param {Run["saved"][number]} saved */
export function listedAs(run, { kind, file }) {
  return kind === "lora" ? `${run}/${file}` : `${run}/checkpoints/${file}`;
}

/** @param {{run: string, saved: Run["saved"][number]}} file @param {After} after */
function fileLine({ run, saved }, after) {
  const { step, kind } = saved;
  const file = listedAs(run, saved);
  const button = (/** @type {string} */ key, /** @type {string} */ name, /** @type {() => void} */ onclick) =>
    h("button.tool", { type: "button", title: t(`${key}Hint`), "aria-label": `${t(key)}: ${file}`, onclick }, icon(name));
  return h("li.file", { title: file }, icon("file"), h("span.file-name", {}, file),
    h("span.muted", {}, `${has(`kind.${kind}`) ? t(`kind.${kind}`) : kind}  ·  ${t("atStep", { step: format.count(step) })}`),
    button("use", "plus-circle", () => after.use(file)), button("download", "download", () => after.download(run, file.slice(run.length + 1))));
}

/** Fill a list again only when what it shows changed. @param {HTMLElement} list @param {any[]} items @param {(item: any) => Node} make */
function fill(list, items, make) {
  const version = JSON.stringify(items);
  if (list.dataset.version === version) return;
  list.dataset.version = version;
  list.replaceChildren(...items.map(make));
}

/** Why a prompt did not run. @param {(node: string) => void} show goes to a node of the canvas */
export function makeRefusals(show) {
  const list = h("ul.list.alerts", { role: "alert" });
  const item = (/** @type {import("./refusals.mjs").Refusal} */ { node, text }) =>
    h("li.message", { "data-level": "error" }, icon(ICONS.error),
      h("div", {}, h("div", {}, translated(text)), h("button.button", { type: "button", onclick: () => show(node) }, t("goToNode"))));
  return {
    element: list,
    /** @param {import("./refusals.mjs").Refusal[]} refusals */
    update(refusals) {
      fill(list, refusals, item);
      setShown(list, refusals.length > 0);
    },
  };
}

/** Warnings and errors. */
export function makeAlerts() {
  const list = h("ul.list.alerts");
  return {
    element: list,
    /** @param {Run} run */
    update(run) {
      const alerts = run.messages.filter((item) => item.level !== "info");
      fill(list, [...alerts.filter((item) => item.level === "error"), ...alerts.filter((item) => item.level !== "error")], line);
      setShown(list, alerts.length > 0);
    },
  };
}

/** Plain remarks and files. @param {After} after */
export function makeNotes(after) {
  const messages = h("ul.list");
  const files = h("ul.list");
  const messageSection = h("section.section", {}, h("h3.title", {}, t("messages")), messages);
  const fileSection = h("section.section", {}, h("h3.title", {}, t("files")), files);
  return {
    element: h("div.stack.notes", {}, fileSection, messageSection),
    /** @param {Run} run */
    update(run) {
      fill(messages, run.messages.filter((item) => item.level === "info"), line);
      const written = run.saved.filter((item) => item.kind !== "state").slice(-FILES).reverse();
      fill(files, written.map((saved) => ({ run: run.name, saved })), (file) => fileLine(file, after));
      setShown(messageSection, messages.children.length > 0);
      setShown(fileSection, files.children.length > 0);
    },
  };
}
