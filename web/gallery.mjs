// @ts-check
/** Preview pictures: one strip a prompt, the newest step first, so that a prompt can be followed through the training. */
import { h, setText } from "./dom.mjs";
import * as format from "./format.mjs";
import { openLightbox } from "./lightbox.mjs";
import { t } from "./strings.mjs";

/** @typedef {import("./store.mjs").Run} Run */

/** @param {{server: import("./server.mjs").Server}} context */
export function makeGallery({ server }) {
  let drawn = "";
  const strips = h("div.stack");
  const none = h("p.muted");
  const element = h("section.section.gallery", {}, h("h3.title", {}, t("samples")), none, strips);

  /** @param {Run} run @param {Run["previews"][number]} preview @param {number} index */
  function thumbnail(run, preview, index) {
    const picture = preview.images[index];
    const label = t("atStep", { step: format.count(preview.step) });
    const image = h("img", {
      src: server.thumbnailUrl(run.name, picture.file), alt: `${picture.prompt}, ${label}`, loading: "lazy", decoding: "async",
      style: { aspectRatio: `${preview.width} / ${preview.height}` },
    });
    const onclick = () => openLightbox({ server, run, prompt: index, step: preview.step });
    return h("button.thumbnail", { type: "button", title: `${label}\n${picture.prompt}`, onclick }, image, h("span.thumbnail-step", {}, format.count(preview.step)));
  }

  /** @param {Run} run @param {number} index */
  function strip(run, index) {
    const with_ = run.previews.filter((preview) => preview.images[index]).reverse();
    const { prompt, seed } = with_[0].images[index];
    return h("div.strip", {},
      h("div.strip-prompt", { title: prompt }, h("span.clamp", {}, prompt), h("span.muted", {}, t("seed", { seed }))),
      h("div.strip-pictures", {}, ...with_.map((preview) => thumbnail(run, preview, index))));
  }

  return {
    element,
    /** @param {Run} run */
    update(run) {
      const version = `${run.name}:${run.previewVersion}`;
      setText(none, run.phase?.phase === "preview" ? t("samplesNow") : run.previewEvery ? t("samplesSoon", { count: format.count(run.previewEvery) }) : t("samplesNone"));
      if (version === drawn) return;
      drawn = version;
      const prompts = Math.max(0, ...run.previews.map((preview) => preview.images.length));
      strips.replaceChildren(...Array.from({ length: prompts }, (_, index) => strip(run, index)));
      none.hidden = prompts > 0;
    },
  };
}
