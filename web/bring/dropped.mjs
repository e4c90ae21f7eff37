// @ts-check
/** What was dropped or chosen, as files with their paths; folders with all that is in them. */

/** @typedef {{path: string, file: File}} Given */

/** Of a drop. Ask for it at once: a browser forgets what was dropped when the event is over. @param {DataTransfer} data @returns {Promise<Given[]>} */
export function filesOfDrop(data) {
  const items = [...(data.items ?? [])].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry);
  const files = [...(data.files ?? [])];
  if (!entries.length) return Promise.resolve(files.map((file) => ({ path: file.name, file })));
  return Promise.all(entries.map((entry) => filesOfEntry(entry))).then((found) => found.flat());
}

/** @param {any} entry @returns {Promise<Given[]>} */
async function filesOfEntry(entry, below = "") {
  const path = below + entry.name;
  if (entry.isFile) return [{ path, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) }];
  const reader = entry.createReader();
  /** @type {Given[]} */
  const found = [];
  // A browser gives some hundred at a time.
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return found;
    for (const inner of part) found.push(...await filesOfEntry(inner, `${path}/`));
  }
}

/** Of an input element. @param {Iterable<File>} files @returns {Given[]} */
export const filesOfInput = (files) => [...files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

/** Does the drag hold files? @param {DataTransfer|null|undefined} data */
export const holdsFiles = (data) => Boolean(data && [...(data.types ?? [])].includes("Files"));

/** The folder that all of them lie in, and their paths below it; hidden files and a system's own are left out.
 * @param {Given[]} given @returns {{folder: string, files: Given[]}} */
export function rooted(given) {
  const kept = given.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".") || /^(thumbs\.db|desktop\.ini|__macosx)$/i.test(part)));
  const [first] = kept.map(({ path }) => path.split("/"));
  const folder = first && first.length > 1 && kept.every(({ path }) => path.startsWith(`${first[0]}/`)) ? first[0] : "";
  return { folder, files: folder ? kept.map(({ path, file }) => ({ path: path.slice(folder.length + 1), file })) : kept };
}

/** A name for the folder that every system takes; without one, of what the files are. @param {string} folder @param {Date} [now] */
export function nameFor(folder, now = new Date()) {
  const plain = folder.replace(/[<>:"/\\|?*\u0000-\u001f\u007f]/g, "_").replace(/^[.\s]+|[.\s]+$/g, "");
  return plain || `pictures_${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, "0")}-${String(now.getDate()).padStart(2, "0")}`;
}
