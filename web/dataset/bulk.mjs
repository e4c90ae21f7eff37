// @ts-check
/** Words and tags added, removed and replaced in all pictures that are shown, or in the chosen ones; one undo takes it back. */
import { h, setShown, setText } from "../dom.mjs";
import { t } from "../strings.mjs";

/** @param {{album: import("./album.mjs").Album, trying: (work: () => Promise<any>) => Promise<any>, tell: (text: string) => void,
 *   shown: () => number[]}} context */
export function makeBulk({ album, trying, tell, shown }) {
  const select = (/** @type {string} */ name, /** @type {[string, string][]} */ options) =>
    h("select.ds-field", { name }, ...options.map(([value, label]) => h("option", { value }, t(label))));
  const kind = select("kind", [["add", "dsAdd"], ["remove", "dsRemove"], ["replace", "dsReplace"]]);
  const unit = select("unit", [["tag", "dsUnitTag"], ["word", "dsUnitWord"]]);
  const place = select("place", [["end", "dsEnd"], ["start", "dsStart"]]);
  unit.title = t("dsUnitHint");
  const input = (/** @type {string} */ name, /** @type {string} */ label) =>
    h("input.ds-field.ds-word", { name, type: "text", placeholder: t(label), "aria-label": t(label), maxLength: 2000 });
  const [what, to] = [input("what", "dsWhat"), input("to", "dsTo")];
  const button = (/** @type {string} */ key, /** @type {() => number[]} */ of) =>
    h("button.button", { type: "button", "data-ds": key, onclick: () => trying(() => change(of())) });
  const chosen = button("chosen", () => [...album.chosen]);
  const all = button("all", shown);

  async function change(/** @type {number[]} */ indices) {
    const body = { kind: kind.value, what: what.value, to: to.value, unit: unit.value, place: place.value };
    const before = new Map(indices.map((index) => [index, album.textOf(index)]));
    await album.do("change", { indices, change: body });
    const count = indices.filter((index) => album.rows[index].caption !== before.get(index)).length;
    tell(count ? t("dsChanged", { count }) : t("dsChangedNone"));
  }

  kind.onchange = () => {
    setShown(to, kind.value === "replace");
    setShown(place, kind.value === "add");
  };
  kind.onchange();
  return {
    element: h("div.ds-bulk", {}, kind, unit, what, to, place, h("span.ds-gap"), chosen, all),
    draw() {
      setText(chosen, t("dsApplyChosen", { count: album.chosen.size }));
      setText(all, t("dsApplyShown", { count: shown().length }));
      chosen.disabled = !album.chosen.size;
      all.disabled = !shown().length;
    },
  };
}
