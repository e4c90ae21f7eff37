// @ts-check
/** A Run that trained nothing, since nothing was changed after the run had ended: ComfyUI gives on what it kept, and says so nowhere. */

/** @typedef {{run: string, reason: string, step: number, again?: boolean}} Made what a Train LoRA node gave on */

/** Calls `tell` for it. @param {EventTarget} api ComfyUI's api object @param {(made: Made) => void} tell */
export function watchAgain(api, tell) {
  /** @type {Map<string, Made>} what was given on in this prompt, by node */
  let kept = new Map();
  let worked = false;
  const on = (/** @type {string} */ name, /** @type {(detail: any) => void} */ then) =>
    api.addEventListener(name, (event) => then(/** @type {CustomEvent} */ (event).detail));

  on("execution_start", () => {
    kept = new Map();
    worked = false;
  });
  on("executing", (node) => {
    worked ||= node !== null && node !== undefined;
  });
  on("executed", ({ node, output }) => {
    const made = output?.lora_canvas?.[0];
    if (made) kept.set(node, made);
  });
  // Where only nodes behind were changed (another seed of KSampler), their result is what was asked for.
  on("execution_success", () => {
    for (const made of kept.values()) if (made.again || !worked) tell(made);
  });
}
