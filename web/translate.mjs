// @ts-check
/** What the server and the shipped workflows say in English, in the page's language: `locales/<language>/main.json`, which ComfyUI serves
 * beside the words of the nodes. What is not there stays as it is. */

const OURS = "loraCanvas";
const NOTES = ["MarkdownNote", "Note"];

/** @type {Record<string, string>} of workflows: titles, and paragraphs of notes */
let workflows = {};
/** @type {{form: RegExp, text: string}[]} of messages, with {} in the English for what differs and {0}, {1} in the other */
let messages = [];

/** @param {any} texts of one language: {workflows, messages} */
export function setTexts(texts) {
  workflows = texts?.workflows ?? {};
  messages = Object.entries(texts?.messages ?? {}).map(([english, text]) => ({ form: formOf(english), text: String(text) }));
}

/** Ask the server for them. @param {any} api ComfyUI's api object @param {string|undefined} locale */
export async function loadTexts(api, locale) {
  const answer = await api.fetchApi("/i18n");
  const all = answer.ok ? await answer.json() : {};
  setTexts(all[locale ?? ""]?.[OURS] ?? all[(locale ?? "").split("-")[0]]?.[OURS]);
}

/** @param {string} english */
function formOf(english) {
  const parts = english.split("{}").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("([^]*?)")}$`);
}

/** A message of the server; what stands in its places is translated too. One that is not known as a whole may be several, one after the
 * other. @param {string} english @returns {string} */
export function translated(english) {
  const whole = known(english);
  if (whole !== null) return whole;
  for (const { index, 0: end } of [...english.matchAll(/(?<=[.!?]) +/g)].reverse()) {
    const first = known(english.slice(0, index));
    if (first !== null) return `${first} ${translated(english.slice(index + end.length))}`;
  }
  const next = /(?<=[.!?]) +/.exec(english);
  return next ? english.slice(0, next.index + next[0].length) + translated(english.slice(next.index + next[0].length)) : english;
}

/** @param {string} english @returns {string|null} */
function known(english) {
  for (const { form, text } of messages) {
    const found = form.exec(english);
    if (found) return text.replace(/\{(\d+)\}/g, (_, place) => translated(found[Number(place) + 1]));
  }
  return null;
}

/** Titles and notes of a workflow that is about to be opened; what somebody wrote over stays. @param {any} graph as it is saved */
export function translateWorkflow(graph) {
  const words = (/** @type {any} */ text) => (typeof text === "string" && workflows[text]) || text;
  for (const group of graph.groups ?? []) group.title = words(group.title);
  for (const node of graph.nodes ?? []) {
    if (node.title) node.title = words(node.title);
    if (!NOTES.includes(node.type) || typeof node.widgets_values?.[0] !== "string") continue;
    node.widgets_values[0] = node.widgets_values[0].split("\n\n").map((/** @type {string} */ paragraph) => {
      const [, mark, text] = /** @type {RegExpExecArray} */ (/^((?:#+ )?)([^]*)$/.exec(paragraph));
      return mark + words(text);
    }).join("\n\n");
  }
  for (const inside of graph.definitions?.subgraphs ?? []) translateWorkflow(inside);
}
