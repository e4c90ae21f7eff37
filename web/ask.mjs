// @ts-check
/** A question in a dialog of its own: a text, a switch, or only yes and no. Desktop apps have no window.prompt. */
import { h } from "./dom.mjs";
import { t } from "./strings.mjs";

/** @typedef {{title: string, lines?: string[], ok: string, field?: {value: string, most: number, rows?: number}, box?: string, danger?: boolean}} Question */

/** The field's text ("" without one) and whether the box was ticked; null for no. @param {Question} question
 * @returns {Promise<{text: string, ticked: boolean}|null>} */
export function ask({ title, lines = [], ok, field, box, danger = false }) {
  const input = field && h(field.rows ? "textarea.preset-title.ask-field" : "input.preset-title.ask-field",
    { value: field.value, maxLength: field.most, ...(field.rows ? { rows: field.rows } : { type: "text" }), "aria-label": title });
  const tick = box ? h("input", { type: "checkbox" }) : null;
  const yes = h("button.button.ask-ok", { type: "submit", "data-danger": String(danger) }, ok);
  const no = h("button.button", { type: "button" }, t("cancel"));
  const form = h("form.ask", { method: "dialog" }, h("h2", {}, title), ...lines.map((line) => h("p", {}, line)), input,
    tick && h("label.ask-box", {}, tick, h("span", {}, box)), h("div.ask-foot", {}, no, yes));
  const dialog = h("dialog.lightbox.ask-dialog", { "aria-label": title }, form);
  return new Promise((resolve) => {
    let answer = /** @type {{text: string, ticked: boolean}|null} */ (null);
    form.onsubmit = () => {
      answer = { text: input?.value ?? "", ticked: Boolean(tick?.checked) };
    };
    no.onclick = () => dialog.close();
    dialog.onclose = () => {
      dialog.remove();
      resolve(answer);
    };
    // The canvas has shortcuts of its own for nearly every key.
    dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.stopPropagation());
    document.body.append(dialog);
    dialog.showModal();
    (input ?? no).focus();
  });
}

/** Offer a file to be saved. @param {string} name @param {string|Blob} content a URL, or what the file holds */
export function download(name, content) {
  const url = typeof content === "string" ? content : URL.createObjectURL(content);
  h("a", { href: url, download: name }).click();
  if (url !== content) URL.revokeObjectURL(url);
}
