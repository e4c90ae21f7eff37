// @ts-check
/** A mask painted over its picture. */
import { h, icon, setShown } from "../dom.mjs";
import { t } from "../strings.mjs";
import { makeBrush, maskSize } from "./brush.mjs";
import { fitted } from "./crop.mjs";

/** @param {{album: import("./album.mjs").Album, routes: import("./routes.mjs").Routes, index: number,
 *   trying: (work: () => Promise<any>) => Promise<any>, saved: () => void}} context */
export function openMask({ album, routes, index, trying, saved }) {
  const row = album.rows[index];
  const canvas = h("canvas.ds-paint");
  [canvas.width, canvas.height] = maskSize(row.size);
  const brush = makeBrush(canvas);
  /** @type {"out"|"in"} */
  let kind = "out";
  const size = h("input", { type: "range", min: "1", max: "100", value: "20", "aria-label": t("dsBrushSize") });
  const button = (/** @type {string} */ key, /** @type {string} */ name, /** @type {() => void} */ onclick) =>
    h("button.button", { type: "button", "data-ds": key, onclick }, icon(name), h("span", {}, t(key)));
  const close = h("button.button", { type: "button", title: t("dsClose"), "aria-label": t("dsClose") }, icon("times"));
  const [out, back] = [button("dsBrushOut", "pencil", () => take("out")), button("dsBrushIn", "eraser", () => take("in"))];
  const undo = button("dsUndo", "undo", () => act(() => brush.undo()));
  const frame = h("div.ds-frame", {}, h("img", { alt: "", draggable: false, src: routes.pictureUrl(album.key, index, row.version, "large") }), canvas);
  const stage = h("div.ds-stage.ds-easel", {}, frame);
  const remove = button("dsMaskRemove", "trash", () => save(""));
  setShown(remove, Boolean(row.painted));
  const dialog = h("dialog.lightbox.ds-mask", { "aria-label": t("dsMaskTitle", { name: row.name }) },
    h("header.lightbox-head", {}, h("h2.lightbox-text", {}, t("dsMaskTitle", { name: row.name })), close),
    h("div.ds-bulk", {}, out, back, h("label.ds-size", {}, t("dsBrushSize"), size), undo,
      button("dsMaskInvert", "sync", () => act(() => brush.add({ kind: "invert" }))),
      button("dsMaskClear", "times-circle", () => act(() => brush.add({ kind: "clear" }))), h("span.ds-gap"), remove,
      button("dsMaskSave", "save", () => save(brush.png()))),
    stage, h("div.muted", {}, t("dsMaskHint")));

  function act(/** @type {() => void} */ work) {
    work();
    undo.disabled = !brush.count;
  }
  function take(/** @type {"out"|"in"} */ one) {
    kind = one;
    out.setAttribute("aria-pressed", String(one === "out"));
    back.setAttribute("aria-pressed", String(one === "in"));
  }
  const save = (/** @type {string} */ png) => trying(async () => {
    await album.do("mask", { index, png });
    dialog.close();
    if (png) saved();
  });
  /** @returns {[number, number]} */
  const point = (/** @type {PointerEvent} */ event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) / width) * canvas.width, ((event.clientY - top) / height) * canvas.height];
  };
  canvas.onpointerdown = (/** @type {PointerEvent} */ event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    const width = Math.max(1, (Number(size.value) / 200) * Math.max(canvas.width, canvas.height));
    act(() => brush.add({ kind: event.shiftKey ? (kind === "out" ? "in" : "out") : kind, size: width, points: [point(event)] }));
  };
  canvas.onpointermove = (/** @type {PointerEvent} */ event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) brush.go(point(one));
  };
  dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    event.stopPropagation();
    if ((event.ctrlKey || event.metaKey) && event.key === "z") act(() => brush.undo());
  });
  close.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
  Object.assign(frame.style, fitted(row.size, { width: stage.clientWidth, height: stage.clientHeight }));
  act(() => take("out"));
  if (row.painted) {
    const image = new Image();
    image.onload = () => brush.start(image);
    image.src = routes.maskUrl(album.key, index, row.painted);
  }
}
