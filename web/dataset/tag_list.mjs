// @ts-check
/** The tags of a data set by how many pictures have them; a click shows those. */
import { h, setShown, setText } from "../dom.mjs";
import { t } from "../strings.mjs";
import { countTags } from "./tags.mjs";

const MOST = 150;

/** @param {(tag: string) => void} choose */
export function makeTagList(choose) {
  const list = h("ul.ds-taglist");
  const more = h("div.muted");
  let drawn = "";
  return {
    element: h("nav.ds-tags", { "aria-label": t("dsTags") }, h("h3.title", {}, t("dsTags")), list, more),
    /** @param {any[]} rows @param {string|null} chosen */
    draw(rows, chosen) {
      const counts = countTags(rows);
      const version = JSON.stringify([counts.slice(0, MOST), counts.length, chosen]);
      if (version === drawn) return;
      drawn = version;
      list.replaceChildren(...counts.slice(0, MOST).map(([tag, count]) =>
        h("li", {}, h("button.ds-tag", { type: "button", title: `${tag}\n${t("dsTagHint")}`, "aria-pressed": String(tag === chosen), onclick: () => choose(tag) },
          h("span", {}, tag), h("span.muted", {}, String(count))))));
      setText(more, t("dsMoreTags", { count: counts.length - MOST }));
      setShown(more, counts.length > MOST);
    },
  };
}
