// @ts-check
/** The folder of a data set: one that is there, or pictures brought in, with what will be sent said before. */
import { h, icon, setShown, setText } from "../dom.mjs";
import * as format from "../format.mjs";
import { t } from "../strings.mjs";
import { filesOfDrop, filesOfInput, holdsFiles, nameFor, rooted } from "./dropped.mjs";
import { sendFile, upload } from "./upload.mjs";

const WAIT = 250;

/** @typedef {import("./dropped.mjs").Given} Given */
/** @typedef {{server: import("../server.mjs").Server, tell: (severity: "info"|"error", text: string) => void, use: (folder: string) => void,
 *   send?: typeof sendFile}} Surroundings */

const button = (/** @type {string} */ key, /** @type {string} */ name, /** @type {() => void} */ onclick) =>
  h("button.button", { type: "button", onclick, "data-bring": key }, icon(name), h("span", {}, t(key)));

/** The folders that are there. @param {{name: string, pictures: number}[]} folders @param {(name: string) => void} choose */
function makeList(folders, choose) {
  const filter = h("input.preset-title", { type: "search", placeholder: t("bringFilter"), "aria-label": t("bringFilter") });
  const rows = folders.map(({ name, pictures }) => h("button.bring-row", { type: "button", title: name, onclick: () => choose(name) },
    icon("folder"), h("span.bring-name", {}, name), h("span.muted", {}, t("bringPictures", { count: format.count(pictures) }))));
  filter.oninput = () => rows.forEach((row, index) => setShown(row, folders[index].name.toLowerCase().includes(filter.value.toLowerCase())));
  return h("section.section", {}, h("div.bring-head", {}, h("h3.title", {}, t("bringThere")), folders.length > 8 && filter),
    h("div.bring-list", {}, ...rows), !folders.length && h("p.muted", {}, t("bringNone")));
}

/** Where pictures are dropped or chosen. @param {(given: Promise<Given[]>|Given[]) => void} take */
function makeDrop(take) {
  const picker = (/** @type {Record<string, any>} */ options) => {
    const input = h("input", { type: "file", multiple: true, hidden: true, ...options });
    input.onchange = () => {
      take(filesOfInput(input.files));
      input.value = "";
    };
    return input;
  };
  const folder = picker({ webkitdirectory: true });
  const files = picker({});
  return h("section.bring-drop", {}, h("p", {}, t("bringDrop")), h("div.preset-buttons", {},
    button("bringFolder", "folder-open", () => folder.click()), button("bringFiles", "images", () => files.click())), folder, files);
}

/** @param {Given[]|null} dropped what was dropped on the node @param {Surroundings} around */
export async function openBring(dropped, { server, tell, use, send = sendFile }) {
  const there = await server.inputs();
  let stopping = new AbortController();
  const body = h("div.bring-body");
  const close = h("button.button", { type: "button", title: t("close"), "aria-label": t("close") }, icon("times"));
  const dialog = h("dialog.lightbox.bring", { "aria-label": t("bringTitle") },
    h("header.lightbox-head", {}, h("h2.lightbox-text", {}, t("bringTitle")), close), body);

  const chosen = (/** @type {string} */ name) => {
    use(name);
    dialog.close();
  };
  const failed = (/** @type {any} */ error) => tell("error", error?.message ?? String(error));
  const take = (/** @type {Promise<Given[]>|Given[]} */ given) => Promise.resolve(given).then(prepare).catch(failed);

  function start() {
    const limits = h("p.muted", {}, t("bringLimits", { files: format.count(there.most_files), size: format.size(there.most_bytes), free: format.size(there.free) }));
    body.replaceChildren(makeList(there.folders, chosen), makeDrop(take), limits);
  }

  /** What will be sent, before it is. @param {Given[]} given */
  async function prepare(given) {
    const { folder, files } = rooted(given);
    /** @type {any} */
    let seen = null;
    let asked = 0;
    const name = h("input.preset-title", { type: "text", value: nameFor(folder), maxLength: 200, name: "folder" });
    const facts = h("div.stack.bring-facts", { role: "status" });
    const box = h("input", { type: "checkbox" });
    const replace = h("label.ask-box", { hidden: true }, box, h("span", {}, t("bringReplace")));
    const go = h("button.button.ask-ok", { type: "button", disabled: true, "data-bring": "send" });
    const back = h("button.button", { type: "button", onclick: start }, t("cancel"));
    body.replaceChildren(h("label.preset-field", {}, h("span.muted", {}, t("bringName")), name), facts, replace, h("div.ask-foot", {}, back, go));

    const sent = () => files.filter((_, index) => seen.states[index] === "new" || (box.checked && seen.states[index] === "other"));
    function show() {
      const by = (/** @type {string} */ state) => files.filter((_, index) => seen.states[index] === state);
      const [same, other, refused, now] = [by("same"), by("other"), by("refused"), sent()];
      const sum = format.size(now.reduce((sum, { file }) => sum + file.size, 0));
      const lines = [seen.problem && h("p.error", {}, seen.problem),
        now.length > 0 && h("p", {}, t("bringSends", { count: format.count(now.length), size: sum, folder: name.value.trim() })),
        same.length > 0 && h("p", {}, t("bringSame", { count: format.count(same.length) })),
        other.length > 0 && !box.checked && h("p", {}, t("bringOther", { count: format.count(other.length) })),
        refused.length > 0 && h("p.muted", {}, t("bringRefused", { count: format.count(refused.length), names: refused.slice(0, 5).map(({ path }) => path).join(", ") }))];
      facts.replaceChildren(...lines.filter(Boolean));
      setShown(replace, other.length > 0);
      setText(go, now.length ? t("bringSend", { count: format.count(now.length) }) : t("bringUse"));
      go.disabled = Boolean(seen.problem) || !(now.length || same.length || other.length);
    }
    async function look() {
      const mine = ++asked;
      go.disabled = true;
      const answer = await server.lookAtInputs(name.value, files.map(({ path, file }) => [path, file.size]))
        .catch((error) => ({ states: files.map(() => ""), problem: error.message }));
      if (mine !== asked) return;
      seen = answer;
      show();
    }
    /** @type {any} */
    let timer = null;
    name.oninput = () => {
      asked += 1;
      go.disabled = true;
      clearTimeout(timer);
      timer = setTimeout(look, WAIT);
    };
    box.onchange = show;
    go.onclick = () => bring(name.value.trim(), sent(), box.checked).catch(failed);
    await look();
  }

  /** @param {string} folder @param {Given[]} files @param {boolean} replace */
  async function bring(folder, files, replace) {
    if (!files.length) return chosen(folder);
    stopping = new AbortController();
    const total = files.reduce((sum, { file }) => sum + file.size, 0);
    const fill = h("div.bar-fill");
    const text = h("p", { role: "status" });
    const cancel = h("button.button", { type: "button", onclick: () => stopping.abort(), "data-bring": "cancel" }, t("cancel"));
    body.replaceChildren(h("div.bar", { "data-status": "running" }, fill), text, h("div.ask-foot", {}, cancel));
    const say = (/** @type {import("./upload.mjs").Progress} */ { files: done, bytes }) => {
      fill.style.transform = `scaleX(${total ? bytes / total : 1})`;
      setText(text, t("bringSending", { done: format.count(done), count: format.count(files.length), size: format.size(bytes), total: format.size(total) }));
    };
    say({ files: 0, bytes: 0 });
    const one = (/** @type {any} */ { path, file }, /** @type {(bytes: number) => void} */ moved, /** @type {AbortSignal} */ signal) =>
      send(server.inputUrl({ folder, file: path, size: String(file.size), replace: replace ? "1" : "0" }), file, moved, signal);
    try {
      const count = await upload(files, one, say, stopping.signal);
      const whole = count === files.length;
      tell("info", t(whole ? "bringDone" : "bringStopped", { count: format.count(count), folder }));
      if (whole) return chosen(folder);
    } catch (error) {
      const { sent = 0, message } = /** @type {any} */ (error);
      tell("error", t("bringFailed", { count: format.count(sent), folder, reason: message }));
    }
    if (dialog.open) start();
  }

  close.onclick = () => dialog.close();
  dialog.onclose = () => {
    stopping.abort();
    dialog.remove();
  };
  dialog.addEventListener("dragover", (/** @type {DragEvent} */ event) => event.preventDefault());
  dialog.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    if (holdsFiles(event.dataTransfer)) take(filesOfDrop(/** @type {DataTransfer} */ (event.dataTransfer)));
  });
  // The canvas has shortcuts of its own for nearly every key.
  dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.stopPropagation());
  start();
  document.body.append(dialog);
  dialog.showModal();
  if (dropped) await take(dropped);
}
