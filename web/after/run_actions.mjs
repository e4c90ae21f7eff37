// @ts-check
/** What is done with a run after it: its LoRA used or downloaded, its folder opened, its settings saved, the run noted, renamed, deleted. */
import { ask, download } from "../ask.mjs";
import * as format from "../format.mjs";
import { fileName } from "../presets.mjs";
import { t } from "../strings.mjs";
import { settingsFile } from "./settings_file.mjs";
import { userOf, useLora } from "./use_lora.mjs";

const LONGEST = { name: 100, note: 2000 };

/** What deleting would free, in sentences. @param {{files: number, bytes: number, lora: boolean, saved: {file: string, bytes: number}[]}} size */
export function deletionLines({ files, bytes, lora, saved }) {
  const lines = [t("deleteFrees", { size: format.size(bytes), files: format.count(files) })];
  if (lora) lines.push(t(saved.length ? "deleteKept" : "deleteOnlyCopy", { files: saved.map((one) => one.file).join(", ") }));
  return lines;
}

/**
 * @param {any} app ComfyUI's app @param {import("../session.mjs").Session} session @param {import("../server.mjs").Server} server
 * @param {{trying: (work: () => Promise<void>) => Promise<void>, tell: (severity: "info"|"error", text: string) => void}} toasts
 */
export function makeRunActions(app, session, server, { trying, tell }) {
  return {
    /** @param {string} name @param {string} file below the run's folder */
    download: (name, file) => download(file.split("/").at(-1) ?? file, server.loraUrl(name, file)),

    /** @param {string} listed as LoraLoader lists it, with / */
    use: (listed) => trying(async () => {
      const files = await server.loraNames();
      const file = files.find((/** @type {string} */ one) => one.replaceAll("\\", "/") === listed);
      if (!file) throw new Error(t("useNotListed", { file: listed }));
      const graph = app.canvas.graph ?? app.graph;
      const before = userOf(graph, file);
      const { node, wired } = before ? { node: before, wired: 0 }
        : useLora(graph, (type) => /** @type {any} */ (globalThis).LiteGraph.createNode(type), file, files);
      app.canvas.selectNode?.(node);
      app.canvas.centerOnNode?.(node);
      tell("info", before ? t("useThere", { file }) : wired ? t("useWired", { file, count: wired }) : t("usePlaced", { file }));
    }),

    /** @param {string} name */
    openFolder: (name) => trying(() => server.openRun(name)),

    /** @param {string} name */
    exportSettings: (name) => trying(async () => {
      const { prompt, node } = await server.graph(name);
      if (!prompt?.[node]) throw new Error(t("noPrompt"));
      const { text, left } = settingsFile(name, prompt, node);
      download(`${fileName(name)}.settings.json`, new Blob([text], { type: "application/json" }));
      tell("info", t("exported", { name }) + (left ? ` ${t("exportedLeft", { count: left })}` : ""));
    }),

    /** @param {string} name @param {string} note */
    note: (name, note) => trying(async () => {
      const answer = await ask({ title: t("noteTitle", { name }), ok: t("keep"), field: { value: note, most: LONGEST.note, rows: 5 } });
      if (!answer) return;
      await server.noteRun(name, answer.text);
      await session.refreshIndex();
    }),

    /** @param {string} name */
    rename: (name) => trying(async () => {
      const answer = await ask({ title: t("renameTitle", { name }), lines: [t("renameHint")], ok: t("rename"), field: { value: name, most: LONGEST.name } });
      if (!answer || answer.text.trim() === name) return;
      await session.moved(name, (await server.renameRun(name, answer.text)).name);
    }),

    /** @param {string} name */
    remove: (name) => trying(async () => {
      const size = await server.runSize(name);
      const box = size.saved.length ? t("deleteSaved", { files: size.saved.map((/** @type {any} */ one) => one.file).join(", ") }) : undefined;
      const answer = await ask({ title: t("deleteTitle", { name }), lines: deletionLines(size), ok: t("delete"), box, danger: true });
      if (!answer) return;
      await server.deleteRun(name, answer.ticked);
      await session.moved(name, null);
      tell("info", t("deleted", { name, size: format.size(size.bytes) }));
    }),
  };
}
