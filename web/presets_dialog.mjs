// @ts-check
/** One choice that fills the nodes wired to a Train LoRA node: a preset that ships, one of one's own, or a file's. */
import { FORMAT as RUN_FORMAT } from "./after/settings_file.mjs";
import { h, icon, setShown } from "./dom.mjs";
import { loaderOf } from "./memory_hint.mjs";
import { presetTable } from "./preset_table.mjs";
import { apply, compare, fileName, fileOf, FORMAT } from "./presets.mjs";
import { inLanguage, t } from "./strings.mjs";
import { wiredNodes } from "./wired.mjs";

const MINE = "mine:";
const FROM_FILE = "file:";

/** What was chosen last, kept in the node: a chosen preset is told on its face, and after a reload too. */
export const CHOSEN = "LoRACanvas preset";

/** @typedef {{graph: any, server: import("./server.mjs").Server, own: ReturnType<typeof import("./own_presets.mjs").makeOwnPresets>,
 *   tell: (severity: "info"|"error", text: string) => void, nameOf: (type: string) => string, done: () => void}} Surroundings */

/** @param {string} label @param {any} control */
const field = (label, control) => h("label.preset-field", {}, h("span.muted", {}, t(label)), control);
const option = (/** @type {string} */ value, /** @type {string} */ text) => h("option", { value }, text);
const button = (/** @type {string} */ key, /** @type {string} */ name, /** @type {() => void} */ onclick) =>
  h("button.button", { type: "button", title: t(`${key}Hint`), onclick, "data-preset": key }, icon(name), h("span", {}, t(key)));

/** @param {any} node a Train LoRA node @param {Surroundings} around */
export async function openPresets(node, { graph, server, own, tell, nameOf, done }) {
  /** @type {any} the preset that is shown */
  let preset = null;
  /** @type {any} what it would change */
  let compared = null;
  /** @type {{name: string, text: string}|null} */
  let file = null;
  const menu = await server.presets(loaderOf(node));

  const what = h("select", { name: "preset" });
  const family = h("select", { name: "family" }, ...Object.entries(menu.families).map(([key, name]) => option(key, inLanguage(name))));
  const card = h("select", { name: "card" }, ...menu.cards.map((/** @type {any} */ size) =>
    option(String(size), size === "more" ? t("presetCardMore") : t("presetCardOf", { size }))));
  family.value = menu.family ?? "sdxl";
  card.value = menu.card ?? "more";
  const [fields, body] = [h("div.preset-fields"), h("div.preset-body")];
  const set = h("button.button.preset-set", { type: "button", "data-preset": "apply" });
  const close = h("button.button", { type: "button", title: t("close"), "aria-label": t("close") }, icon("times"));
  const picker = h("input", { type: "file", accept: ".json,.toml", hidden: true });
  const [familyField, cardField] = [field("presetFamily", family), field("presetCard", card)];
  const title = h("input.preset-title", { type: "text", placeholder: t("presetSaveName"), "aria-label": t("presetSaveName"), maxLength: 80 });
  const remove = button("presetDelete", "trash", () => trying(forget));
  const buttons = h("div.preset-buttons", {}, button("presetOpen", "folder-open", () => picker.click()), button("presetExport", "download", () => trying(share)),
    remove, h("span.preset-gap"), title, button("presetSave", "save", () => trying(keep)));
  const dialog = h("dialog.lightbox.presets", { "aria-label": t("presets") },
    h("header.lightbox-head", {}, h("h2.lightbox-text", {}, t("presets")), close), fields, buttons, body, h("footer.preset-foot", {}, set), picker);
  fields.append(field("presetWhat", what), familyField, cardField);

  /** Whatever goes wrong is told. @param {() => Promise<any>} work */
  const trying = (work) => work().catch((/** @type {any} */ error) => tell("error", error?.message ?? String(error)));

  async function fill(/** @type {string} */ chosen) {
    const { mine } = await server.presets(null);
    const group = (/** @type {string} */ label, /** @type {any[]} */ options) => (options.length ? h("optgroup", { label: t(label) }, ...options) : null);
    what.replaceChildren(...[
      group("presetShipped", Object.entries(menu.kinds).map(([key, name]) => option(key, inLanguage(name)))),
      group("presetMine", mine.map((/** @type {string} */ name) => option(MINE + name, name))),
      group("presetFile", file ? [option(FROM_FILE, file.name)] : []),
    ].filter((one) => one !== null));
    what.value = chosen;
    await look();
  }

  async function look() {
    const asked = what.value;
    const shipped = !asked.startsWith(MINE) && asked !== FROM_FILE;
    const [wanted, text] = shipped ? [{ kind: asked, family: family.value, card: card.value }, null]
      : [null, asked === FROM_FILE ? file : { name: `${asked.slice(MINE.length)}.json`, text: await own.read(asked.slice(MINE.length)) }];
    const found = await server.preset(wanted ?? /** @type {any} */ (text));
    if (asked !== what.value) return;
    preset = found;
    for (const one of [familyField, cardField]) setShown(one, shipped);
    setShown(remove, asked.startsWith(MINE));
    show();
  }

  function show() {
    compared = compare(wiredNodes(node), preset.settings);
    body.replaceChildren(...presetTable(compared, preset, nameOf));
    set.textContent = compared.changes.length ? t("presetApply", { count: compared.changes.length }) : t("presetNothing");
    set.disabled = !compared.changes.length;
  }

  async function keep() {
    const name = fileName(title.value);
    if (!name) return void title.focus();
    title.value = "";
    await own.save(name, fileOf(name, wiredNodes(node)));
    tell("info", t("presetSaved", { name }));
    await fill(MINE + name);
  }

  async function share() {
    const nodes = /** @type {Record<string, Record<string, any>>} */ ({});
    for (const { node: type, widget, value } of preset.settings) (nodes[type] ??= {})[widget] = value;
    const text = JSON.stringify({ format: preset.kind === "run" ? RUN_FORMAT : FORMAT, version: 1, name: preset.name, nodes }, null, 1);
    const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: `${fileName(preset.name)}.json` });
    link.click();
    URL.revokeObjectURL(link.href);
  }

  async function forget() {
    const name = what.value.slice(MINE.length);
    if (!window.confirm(t("presetDeleteAsk", { name }))) return;
    await own.remove(name);
    await fill(Object.keys(menu.kinds)[0]);
  }

  picker.onchange = () => trying(async () => {
    const [picked] = picker.files;
    if (!picked) return;
    const before = file;
    file = { name: picked.name, text: await picked.text() };
    picker.value = "";
    await fill(FROM_FILE).catch(async (error) => {
      file = before;
      await fill(Object.keys(menu.kinds)[0]);
      throw error;
    });
  });
  for (const choice of [what, family, card]) choice.onchange = () => trying(look);
  set.onclick = () => {
    apply(graph, compared.changes);
    node.properties = { ...node.properties, [CHOSEN]: preset.name };
    tell("info", t("presetApplied", { name: preset.name, count: compared.changes.length }));
    done();
    dialog.close();
  };
  close.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  // The canvas has shortcuts of its own for nearly every key.
  dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.stopPropagation());
  document.body.append(dialog);
  dialog.showModal();
  await fill(Object.keys(menu.kinds)[0]);
}
