// @ts-check
/** The names of a chart's curves with the value under the cursor; a click hides or shows a curve. */
import { h, setShown, setText } from "./dom.mjs";

/**
 * @param {{label: string, colour: string}[]} entries
 * @param {(index: number, shown: boolean) => void} onToggle
 */
export function makeLegend(entries, onToggle) {
  const values = entries.map(() => h("span.legend-value"));
  const items = entries.map(({ label, colour }, index) => {
    const item = h("button.legend-item", { type: "button", title: label, "aria-pressed": "true" },
      h("span.swatch", { style: { background: colour } }), h("span.legend-label", {}, label), values[index]);
    item.onclick = () => {
      const shown = item.getAttribute("aria-pressed") !== "true";
      item.setAttribute("aria-pressed", String(shown));
      onToggle(index, shown);
    };
    return item;
  });
  return {
    element: h("div.legend", {}, ...items),
    /** Name a curve only while it has points. @param {number} index @param {boolean} present */
    setPresent: (index, present) => setShown(items[index], present),
    /** @param {string[]} texts */
    setValues(texts) {
      texts.forEach((text, index) => setText(values[index], text));
    },
  };
}
