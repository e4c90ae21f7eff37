// @ts-check
/** The data set of a Load Dataset node: its pictures as a grid, to be looked through and edited. */
import { h, icon, oncePerFrame, setShown, setText } from "../dom.mjs";
import { isWired, widgetOf } from "../wired.mjs";
import { t } from "../strings.mjs";
import { translated } from "../translate.mjs";
import { Album } from "./album.mjs";
import { makeBulk } from "./bulk.mjs";
import { makeDetail } from "./detail.mjs";
import { makeGrid } from "./grid.mjs";
import { openMask } from "./mask.mjs";
import { captionersOf, promptFor, suggested } from "./suggest.mjs";
import { makeSuggestBar } from "./suggest_bar.mjs";
import { makeTagList } from "./tag_list.mjs";
import { filtered } from "./tags.mjs";
import { CODES } from "./warnings.mjs";

const STATES = ["", "trained", "left_out", "warnings"];
/** Milliseconds that a word of what was done stands in the dialog: ComfyUI's own toasts lie behind it. */
const TOLD = 8000;

/** The node's id as the prompt has it. @param {any} prompt @param {any} node @param {(node: any, id: string) => boolean} isNode */
const idOf = (prompt, node, isNode) => Object.keys(prompt).find((id) => prompt[id].class_type === node.comfyClass && isNode(node, id));

/** @param {any} node a Load Dataset node @param {{app: any, api: any, routes: import("./routes.mjs").Routes,
 *   isTraining: () => boolean, isNode: (node: any, id: string) => boolean}} around */
export async function openDataset(node, { app, api, routes, isTraining, isNode }) {
  const album = new Album({
    open: async () => {
      const { output: prompt } = await app.graphToPrompt();
      return routes.open(prompt, idOf(prompt, node, isNode) ?? "");
    },
    edit: routes.edit,
  });
  /** @type {import("./tags.mjs").Filter} */
  const filter = { text: "", tag: null, state: "" };
  /** @type {number[]} */
  let shown = [];
  let word = { text: "", wrong: false };
  function tell(/** @type {"info"|"error"} */ severity, /** @type {string} */ text) {
    const said = { text, wrong: severity === "error" };
    word = said;
    draw();
    setTimeout(() => word === said && (word = { text: "", wrong: false }, draw()), TOLD);
  }
  /** Whatever goes wrong is told. @param {() => Promise<any>} work */
  const trying = (work) => work().then((answer) => answer?.skipped && tell("error", translated(answer.skipped)))
    .catch((/** @type {any} */ error) => tell("error", translated(error?.message ?? String(error))));

  const title = h("h2.lightbox-text", {}, t("dsTitle"));
  const state = h("span.muted.ds-state", { role: "status" });
  const button = (/** @type {string} */ key, /** @type {string} */ name, /** @type {() => void} */ onclick) =>
    h("button.button", { type: "button", title: t(key), "data-ds": key, onclick }, icon(name), h("span", {}, t(key)));
  const undo = button("dsUndo", "undo", () => trying(async () => {
    const answer = await album.do("undo");
    tell("info", t("dsUndone", { what: answer.undone }));
    return answer;
  }));
  const reload = button("dsReload", "refresh", () => trying(async () => {
    await album.flush();
    await album.open();
  }));
  const close = h("button.button", { type: "button", title: t("dsClose"), "aria-label": t("dsClose"), "data-ds": "close" }, icon("times"));
  const search = h("input.ds-field.ds-search", { type: "search", placeholder: t("dsSearch"), "aria-label": t("dsSearch") });
  const states = h("select.ds-field", { name: "state", "aria-label": t("dsState") },
    ...STATES.map((value) => h("option", { value }, t(`dsState.${value}`))),
    h("optgroup", { label: t("dsState.warnings") }, ...CODES.map((value) => h("option", { value }, t(`dsFilter.${value}`)))));
  const count = h("span.muted");
  const told = h("details.ds-told", { hidden: true }, h("summary"), h("ul"));
  const wait = h("div.ds-wait", {}, t("dsReading"));
  const grid = makeGrid({ album, routes, show });
  const detail = makeDetail({ album, routes, trying, paint });
  const bulk = makeBulk({ album, trying, tell: (text) => tell("info", text), shown: () => shown });
  const suggest = makeSuggestBar({ album, captioners: captionersOf(), trying, tell: (text) => tell("info", text), ask: async (wanted) => {
    if (isTraining()) throw new Error(t("dsSuggestLater"));
    const { output: prompt } = await app.graphToPrompt();
    return suggested(api, promptFor(prompt, idOf(prompt, node, isNode) ?? "", wanted));
  } });
  const tags = makeTagList((tag) => {
    filter.tag = filter.tag === tag ? null : tag;
    sift();
  });
  const dialog = h("dialog.lightbox.ds", { "aria-label": t("dsTitle") },
    h("header.lightbox-head", {}, title, state, undo, reload, close), told,
    h("div.ds-bar", {}, search, states, count, h("span.ds-gap"), button("dsChooseShown", "check-square", () => album.choose(shown, true)),
      button("dsChooseNone", "stop", () => album.choose([...album.chosen], false))),
    h("div.ds-body", {}, tags.element, h("div.ds-middle", {}, wait, grid.element), detail.element), bulk.element, suggest.element);

  function show(/** @type {number} */ index) {
    grid.mark(index);
    detail.show(index);
  }
  function sift() {
    shown = filtered(album.rows, filter);
    grid.list(shown);
    draw();
  }
  const draw = oncePerFrame(() => {
    setText(title, `${t("dsTitle")}: ${album.folder}`);
    setText(count, t("dsCount", { shown: shown.length, count: album.rows.length, chosen: album.chosen.size }));
    setText(state, word.text || (album.trouble ? translated(album.trouble) : album.isSaved ? t("dsSaved") : t("dsSaving")));
    state.dataset.trouble = String(word.text ? word.wrong : Boolean(album.trouble));
    undo.disabled = album.undoes === null;
    undo.title = album.undoes === null ? t("dsUndo") : t("dsUndoHint", { what: album.undoes });
    tags.draw(album.rows, filter.tag);
    bulk.draw();
    suggest.draw();
    detail.draw();
    grid.redraw();
  });
  function paint(/** @type {number} */ index) {
    openMask({ album, routes, index, trying, saved: () => tell("info", useMasks(node)) });
  }

  search.oninput = () => { filter.text = search.value; sift(); };
  states.onchange = () => { filter.state = states.value; sift(); };
  // What is edited stays in sight, though it may not pass the filter any more, until something else is asked for.
  album.addEventListener("change", draw);
  album.addEventListener("typed", draw);
  const leaving = () => document.visibilityState === "hidden" && album.flush();
  const coming = () => album.isSaved && album.rows.length && album.do("refresh").catch(() => {});
  document.addEventListener("visibilitychange", leaving);
  const gone = () => void album.flush();
  window.addEventListener("pagehide", gone);
  window.addEventListener("focus", coming);
  close.onclick = () => dialog.close();
  dialog.oncancel = (/** @type {Event} */ event) => event.target !== dialog && event.stopPropagation();
  dialog.onclose = () => {
    album.flush();
    grid.close();
    detail.close();
    draw.cancel();
    document.removeEventListener("visibilitychange", leaving);
    window.removeEventListener("pagehide", gone);
    window.removeEventListener("focus", coming);
    dialog.remove();
    // The node runs again, and what Run would do is asked anew.
    node.graph?.setDirtyCanvas?.(true, true);
  };
  // The canvas has shortcuts of its own for nearly every key, and takes what is pasted.
  for (const kind of ["keydown", "paste", "copy", "cut"]) dialog.addEventListener(kind, (/** @type {Event} */ event) => event.stopPropagation());
  dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const typing = /^(TEXTAREA|INPUT|SELECT)$/.test(/** @type {HTMLElement} */ (event.target).tagName);
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && !typing && !undo.disabled) undo.click();
  });
  document.body.append(dialog);
  dialog.showModal();
  try {
    await album.open();
  } catch (error) {
    dialog.close();
    throw error;
  }
  setShown(wait, false);
  setShown(told, album.told.length > 0);
  told.firstElementChild.textContent = t("dsToldOf", { count: album.told.length });
  told.lastElementChild.replaceChildren(...album.told.map((line) => h("li", {}, translated(line))));
  sift();
  show(0);
}

/** Load Dataset reads mask files from now on; what is to be said. @param {any} node @returns {string} */
export function useMasks(node) {
  const widget = widgetOf(node, "masks");
  if (!widget || isWired(node, "masks") || widget.value.includes("files")) return t("dsMaskSaved");
  widget.value = widget.value === "alpha" ? "alpha and files" : "files";
  widget.callback?.(widget.value);
  node.loraCanvasRefold?.();
  return t("dsMaskUse", { value: widget.value });
}
