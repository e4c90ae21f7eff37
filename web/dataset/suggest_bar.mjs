// @ts-check
/** Which captioner suggests captions for the chosen pictures. */
import { h, setText } from "../dom.mjs";
import { t } from "../strings.mjs";

/** @param {{album: import("./album.mjs").Album, captioners: string[], trying: (work: () => Promise<any>) => Promise<any>,
 *   ask: (wanted: {captioner: string, download: boolean, names: string[]}) => Promise<Record<string, string>>, tell: (text: string) => void}} context */
export function makeSuggestBar({ album, captioners, trying, ask, tell }) {
  const captioner = h("select.ds-field", { name: "captioner", "aria-label": t("dsCaptioner") }, ...captioners.map((value) => h("option", { value }, value)));
  const download = h("input", { type: "checkbox", name: "download" });
  const button = h("button.button", { type: "button", "data-ds": "suggest" });
  let asked = false;
  button.onclick = () => trying(async () => {
    asked = true;
    draw();
    try {
      await album.flush();
      const chosen = [...album.chosen].filter((index) => !album.rows[index].left_out);
      const found = await ask({ captioner: captioner.value, download: download.checked, names: chosen.map((index) => album.rows[index].name) });
      tell(t("dsSuggested", { count: album.suggest(found) }));
    } finally {
      asked = false;
      draw();
    }
  });
  function draw() {
    setText(button, t(asked ? "dsSuggesting" : "dsSuggest", { count: album.chosen.size }));
    button.disabled = asked || !album.chosen.size;
  }
  return { element: h("div.ds-bulk", {}, captioner, h("label.ds-size", {}, download, t("dsDownload")), button), draw };
}
