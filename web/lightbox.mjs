// @ts-check
/** A sample at its full size, its neighbours by arrow key, and two steps compared under a slider. */
import { h, icon, setShown, setText } from "./dom.mjs";
import * as format from "./format.mjs";
import { t } from "./strings.mjs";

/** @typedef {import("./store.mjs").Run} Run */

/**
 * @param {{server: import("./server.mjs").Server, run: Run, prompt: number, step: number}} shown
 */
export function openLightbox({ server, run, prompt, step }) {
  const previews = run.previews.filter((preview) => preview.images[prompt]);
  let at = Math.max(0, previews.findIndex((preview) => preview.step === step));
  let other = 0;
  let comparing = false;

  const front = h("img.lightbox-image", { alt: "" });
  const back = h("img.lightbox-image.lightbox-back", { alt: "" });
  const handle = h("div.handle");
  const slider = h("input.lightbox-slider", { type: "range", min: "0", max: "1000", value: "500", "aria-label": t("compareHint") });
  const tagFront = h("span.tag.tag-left");
  const tagBack = h("span.tag.tag-right");
  const stage = h("div.stage", {}, back, front, handle, slider, tagFront, tagBack);
  const caption = h("div.lightbox-caption");
  const facts = h("span.muted");
  const film = h("div.film");
  const compare = h("button.button", { type: "button", title: t("compareHint"), "aria-pressed": "false" }, icon("arrows-h"), h("span", {}, t("compare")));
  const close = h("button.button", { type: "button", title: t("close"), "aria-label": t("close") }, icon("times"));
  const dialog = h("dialog.lightbox", { "aria-label": t("samples") },
    h("header.lightbox-head", {}, h("div.lightbox-text", {}, caption, facts), compare, close), stage, film);

  const url = (/** @type {number} */ index) => server.sampleUrl(run.name, previews[index].images[prompt].file);
  const label = (/** @type {number} */ index) => t("atStep", { step: format.count(previews[index].step) });

  const thumbnails = previews.map((preview, index) => {
    const source = server.thumbnailUrl(run.name, preview.images[prompt].file);
    const button = h("button.thumbnail", { type: "button", title: label(index) },
      h("img", { src: source, alt: label(index), loading: "lazy" }), h("span.thumbnail-step", {}, format.count(preview.step)));
    // With two pictures on the stage, Shift picks the right-hand one.
    button.onclick = (/** @type {MouseEvent} */ event) => {
      if (comparing && event.shiftKey) other = index;
      else at = index;
      show();
    };
    return button;
  });
  film.append(...[...thumbnails].reverse()); // the newest first, as in the gallery

  function split() {
    const part = Number(slider.value) / 10;
    front.style.clipPath = comparing ? `inset(0 ${100 - part}% 0 0)` : "";
    handle.style.left = `${part}%`;
  }

  function show() {
    const { images, width, height } = previews[at];
    const picture = images[prompt];
    front.src = url(at);
    if (comparing) back.src = url(other);
    stage.style.setProperty("--lora-canvas-ratio", String(width / height));
    stage.dataset.comparing = String(comparing);
    setText(caption, picture.prompt);
    setText(facts, [run.name, label(at), t("seed", { seed: picture.seed }), `${width} × ${height}`].join("  ·  "));
    setText(tagFront, label(at));
    setText(tagBack, label(other));
    for (const part of [back, handle, slider, tagFront, tagBack]) setShown(part, comparing);
    thumbnails.forEach((button, index) => {
      button.dataset.chosen = index === at ? "front" : comparing && index === other ? "back" : "";
    });
    thumbnails[at].scrollIntoView({ block: "nearest", inline: "nearest" });
    split();
  }

  function setComparing(/** @type {boolean} */ on) {
    comparing = on && previews.length > 1;
    // The first picture against the chosen one, unless that is the first itself.
    other = at;
    if (comparing) at = other > 0 ? 0 : previews.length - 1;
    if (comparing && at > other) [at, other] = [other, at];
    if (!comparing) at = Math.max(at, other);
    compare.setAttribute("aria-pressed", String(comparing));
    show();
  }

  function step_(/** @type {number} */ by) {
    if (comparing) other = Math.min(Math.max(other + by, 0), previews.length - 1);
    else at = Math.min(Math.max(at + by, 0), previews.length - 1);
    show();
  }

  slider.oninput = split;
  compare.onclick = () => setComparing(!comparing);
  setShown(compare, previews.length > 1);
  close.onclick = () => dialog.close();
  dialog.onclick = (/** @type {MouseEvent} */ event) => event.target === dialog && dialog.close();
  dialog.onclose = () => dialog.remove();
  dialog.onkeydown = (/** @type {KeyboardEvent} */ event) => {
    // ComfyUI listens to keys on the whole page; none of ours is meant for it.
    event.stopPropagation();
    if (event.target === slider) return;
    if (event.key === "ArrowLeft") step_(1);
    if (event.key === "ArrowRight") step_(-1);
  };
  document.body.append(dialog);
  dialog.showModal();
  show();
}
