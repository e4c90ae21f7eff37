// @ts-check
/** What Run would do with each Train LoRA node of the canvas: which run goes on, or that a new one begins; and how long it will be. */
import * as format from "./format.mjs";
import { t } from "./strings.mjs";

export const TRAIN_NODE = "LoRACanvasTrainLoRA";
const WAIT = 400;

/** One line of it; "" where nothing is known. @param {any} next what the server says */
export function nextText(next) {
  if (next?.next === "new") return t("nextNew");
  if (next?.next === "nothing") return t("nextNothing", { run: next.run, step: format.count(next.step ?? 0) });
  if (next?.next !== "goes on") return "";
  return t("nextGoesOn", { run: next.run, step: format.count(next.step ?? 0), total: format.count(next.total_steps ?? 0) });
}

/** Steps, epochs and time, as far as they are known; "" where nothing is. @param {any} length what the server says @param {any} next of the same */
export function lengthText(length, next) {
  if (!length) return "";
  const { steps, epochs, pictures, seconds_per_step: pace } = length;
  const parts = [];
  if (steps !== null) parts.push(t("lengthSteps", { steps: format.count(steps) }));
  if (epochs !== null) parts.push(t(pictures === null ? "lengthEpochs" : "lengthEpochsOf", { epochs: format.count(epochs), pictures: format.count(pictures ?? 0) }));
  const left = steps === null ? null : Math.max(0, steps - (next?.next === "goes on" ? (next.step ?? 0) : 0));
  if (pace && left) parts.push(t("lengthTime", { time: format.duration(pace * left) }));
  return parts.join(" · ");
}

/** Asks when told to, once things have come to rest; says "change" when it knows. */
export class NextRun extends EventTarget {
  /** @type {Map<string, any>} node id in the prompt -> what the server says */
  nodes = new Map();
  /** @type {Map<string, any>} node id in the prompt -> how long a run will be */
  lengths = new Map();
  /** @type {any} */
  #timer = null;

  /** @param {any} app ComfyUI's app @param {{next: (prompt: any, node: string) => Promise<any>, estimate: (prompt: any, node: string) => Promise<any>}} server @param {number} wait milliseconds */
  constructor(app, server, wait = WAIT) {
    super();
    this.app = app;
    this.server = server;
    this.wait = wait;
  }

  ask() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look().catch(() => this.#say([])), this.wait);
  }

  async #look() {
    const { output: prompt } = await this.app.graphToPrompt();
    const ids = Object.keys(prompt).filter((id) => prompt[id].class_type === TRAIN_NODE);
    this.#say(await Promise.all(ids.map(async (id) => [id, await this.server.next(prompt, id)])));
    // Later: many pictures take a while to be looked through.
    this.lengths = new Map(await Promise.all(ids.map(async (id) => /** @type {[string, any]} */ ([id, await this.server.estimate(prompt, id).catch(() => null)]))));
    this.dispatchEvent(new Event("change"));
  }

  /** @param {any[]} answers */
  #say(answers) {
    this.nodes = new Map(answers);
    this.dispatchEvent(new Event("change"));
  }
}
