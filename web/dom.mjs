// @ts-check
/** Making and changing elements without a framework. */

/**
 * h("button.lora-canvas-x", {title: "…", onclick}, "text", child, null)
 * @param {string} spec tag and classes @param {Record<string, any>} [props] properties; `aria-…` and `data-…` become attributes
 * @param {...(Node|string|number|null|undefined|false)} children
 * @returns {any} the element
 */
export function h(spec, props = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.map((name) => `lora-canvas-${name}`).join(" ");
  for (const [name, value] of Object.entries(props)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else if (name === "style") Object.assign(element.style, value);
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** An icon of the font that ComfyUI ships. @param {string} name e.g. "pause" */
export function icon(name) {
  const element = document.createElement("i");
  element.className = `pi pi-${name}`;
  element.setAttribute("aria-hidden", "true");
  return element;
}

/** Change an element's text only when it differs: layout is not disturbed by what stays. */
export function setText(/** @type {HTMLElement} */ element, /** @type {string} */ text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show or hide. */
export function setShown(/** @type {HTMLElement} */ element, /** @type {boolean} */ shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

/** Calls `work` at most once a frame, and never while the page is hidden. @param {() => void} work */
export function oncePerFrame(work) {
  let asked = 0;
  const ask = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      work();
    });
  };
  return Object.assign(ask, { cancel: () => { cancelAnimationFrame(asked); asked = 0; } });
}
