// @ts-check
/** One picture large: what is trained of it, its caption, what will hurt, and what can be done. */
import { h, icon, setShown, setText } from "../dom.mjs";
import { t } from "../strings.mjs";
import { cropBox, fitted } from "./crop.mjs";
import { warningText } from "./warnings.mjs";

/** @param {{album: import("./album.mjs").Album, routes: import("./routes.mjs").Routes, trying: (work: () => Promise<any>) => Promise<any>,
 *   paint: (index: number) => void}} context */
export function makeDetail({ album, routes, trying, paint }) {
  let index = -1;
  let source = "";
  const image = h("img", { alt: "", draggable: false });
  const crop = h("div.ds-crop");
  const frame = h("div.ds-frame", {}, image, crop);
  const name = h("div.ds-name");
  const facts = h("div.muted");
  const warnings = h("ul.ds-warnings");
  const text = h("textarea.ds-caption", { spellcheck: true, "aria-label": t("dsCaption"), placeholder: t("dsNoCaption") });
  const leave = h("button.button", { type: "button", title: t("dsLeaveOutHint"), "data-ds": "leave" }, icon("ban"), h("span"));
  const mask = h("button.button", { type: "button", "data-ds": "mask" }, icon("pencil"), h("span"));
  const theirs = h("div.ds-text");
  const mine = h("div.ds-text");
  const settle = (/** @type {"mine"|"theirs"} */ whose, /** @type {string} */ label) =>
    h("button.button", { type: "button", "data-ds": whose, onclick: () => trying(() => album.settle(index, whose)) }, t(label));
  const conflict = h("div.ds-conflict", { hidden: true, role: "alert" }, h("div", {}, t("dsConflict")), h("b", {}, t("dsTheirs")), theirs,
    h("b", {}, t("dsMine")), mine, h("div.ds-buttons", {}, settle("theirs", "dsKeepTheirs"), settle("mine", "dsKeepMine")));
  const suggestion = h("div.ds-text");
  const decide = (/** @type {boolean} */ take) => h("button.button", {
    type: "button", "data-ds": take ? "accept" : "discard", onclick: () => trying(() => album.decide(index, take)) }, t(take ? "dsAccept" : "dsDiscard"));
  const suggested = h("div.ds-suggested", { hidden: true }, h("b", {}, t("dsSuggestion")), suggestion, h("div.ds-buttons", {}, decide(true), decide(false)));
  const element = h("aside.ds-detail", {}, h("div.ds-stage", {}, frame), name, facts, warnings, text, suggested, conflict, h("div.ds-buttons", {}, leave, mask));

  text.oninput = () => album.type(index, text.value);
  text.onblur = () => void album.save(index).then(() => album.rested());
  leave.onclick = () => trying(() => album.do("leave_out", { indices: [index], leave_out: !album.rows[index].left_out }));
  mask.onclick = () => paint(index);

  function draw() {
    const row = album.rows[index];
    setShown(element, Boolean(row));
    if (!row) return;
    Object.assign(crop.style, cropBox(row.crop));
    const wanted = routes.pictureUrl(album.key, index, row.version, "large");
    if (source !== wanted) image.src = source = wanted;
    setText(name, row.name);
    setText(facts, [t("dsFacts", { size: row.size.join(" × "), bucket: row.bucket.join(" × ") }), row.frames > 1 && t("dsFrames", { count: row.frames }),
      row.repeats > 1 && t("dsRepeats", { count: row.repeats }), row.crops > 1 && t("dsCrops", { count: row.crops }),
      row.role !== "training" && t("dsRole", { role: row.role }), row.left_out && t("dsIsLeftOut")].filter(Boolean).join("  ·  "));
    warnings.replaceChildren(...row.warnings.map((/** @type {[string, any]} */ one) => h("li", {}, warningText(one))));
    const typed = album.textOf(index);
    if (text.value !== typed) text.value = typed;
    setText(leave.lastElementChild, t(row.left_out ? "dsTakeBack" : "dsLeaveOut"));
    setText(mask.lastElementChild, t(row.painted ? "dsPainted" : "dsMask"));
    setShown(mask, row.frames === 1);
    setShown(suggested, album.suggestions.has(index));
    setText(suggestion, album.suggestions.get(index) ?? "");
    const clash = album.conflicts.get(index);
    setShown(conflict, Boolean(clash));
    if (clash) {
      setText(theirs, clash.theirs);
      setText(mine, clash.mine);
    }
    // Last: what is shown below takes its room first.
    const box = element.firstElementChild;
    Object.assign(frame.style, fitted(row.size, { width: box.clientWidth, height: box.clientHeight }));
  }

  const watch = new ResizeObserver(() => draw());
  watch.observe(element);
  return {
    element,
    draw,
    close: () => watch.disconnect(),
    /** @param {number} next */
    show(next) {
      index = next;
      draw();
    },
  };
}
