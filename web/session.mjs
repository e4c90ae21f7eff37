// @ts-check
/**
 * What this page knows of all runs: it loads them from the server, listens to the websocket, and tells views of changes.
 * Views come and go (a tab is destroyed when closed); the session stays. Nothing is polled: idle costs nothing.
 */
import { applyRecords, newRun } from "./store.mjs";

/** @typedef {import("./store.mjs").Run} Run */

/** Records that only a run at work sends; a message may come before and after. */
const TRAINING = ["started", "progress", "step", "validated", "preview", "elsewhere"];
/** "gone": another process that ended without a last word. */
const ENDS = ["ended", "gone"];

export class Session extends EventTarget {
  /** @type {Map<string, Run>} runs whose curves are here */
  #loaded = new Map();
  /** @type {Map<string, Promise<Run>>} */
  #loading = new Map();
  /** @type {Map<string, any[]>} records that arrived while their run was loading */
  #waiting = new Map();

  /** @param {import("./server.mjs").Server} server */
  constructor(server) {
    super();
    this.server = server;
    /** @type {any[]} run.json of every run, newest first */
    this.index = [];
    /** @type {Map<string, {node: string, said: any[], elsewhere: string|null}>} names that train now; `elsewhere`: the process that trains it,
     * where that is not this ComfyUI */
    this.live = new Map();
    /** @type {{name: string, total_memory: number}|null} */
    this.device = null;
    /** @type {string|null} the run that views show */
    this.shown = null;
    /** Has the user picked a run since the last one began? Then it stays when the connection comes back. */
    this.picked = false;
    this.ready = false;
    /** Does the browser run on ComfyUI's machine, so that a folder can be opened? */
    this.opens = false;
  }

  /** Read what the server knows: after the page opens and whenever the connection came back. */
  async refresh() {
    const [{ runs, device, opens = false }, index] = await Promise.all([this.server.live(), this.server.runs()]);
    this.device = device;
    this.opens = opens;
    this.index = index;
    this.live = new Map(runs.map(({ run, node, latest, elsewhere = null }) =>
      [run, { node, elsewhere, said: [latest.progress, latest.asked, latest.unanswered].filter(Boolean) }]));
    this.ready = true;
    for (const run of this.#loaded.values()) {
      const known = index.find((item) => item.name === run.name);
      if (known) run.status = known.status;
    }
    if (!this.picked || !this.#exists(this.shown)) this.shown = runs.at(-1)?.run ?? index[0]?.name ?? null;
    await Promise.all([...this.live.keys()].map((name) => (this.#loaded.has(name) ? this.catchUp(name) : this.load(name))));
    this.#changed();
  }

  /** A batch from the websocket. @param {{run: string, node: string, records: any[], elsewhere?: string|null}} batch */
  receive({ run: name, node, records, elsewhere = null }) {
    const anew = records.some((record) => record.event === "elsewhere");
    const begins = !this.live.has(name) && records.some((record) => TRAINING.includes(record.event));
    // Another process' run does not push aside what is being watched.
    const takesOver = begins && (!elsewhere || !(this.picked || this.live.has(/** @type {string} */ (this.shown))));
    if (begins || anew) this.live.set(name, { node, said: [], elsewhere });
    if (anew) this.#loaded.delete(name);
    if (takesOver) {
      // What the user looked at is in the list of all runs; what they have just started is what they want to see.
      this.shown = name;
      this.picked = false;
    }
    const ends = records.some((record) => ENDS.includes(record.event));
    const run = this.#loaded.get(name);
    if (run) this.#apply(run, records);
    else {
      this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), ...records]);
      if (this.live.has(name)) this.load(name).catch(() => {});
    }
    if (ends) this.live.delete(name);
    if (begins || ends) this.refreshIndex();
    this.#changed();
  }

  /** The run with its curves. @param {string} name @returns {Promise<Run>} */
  load(name) {
    const run = this.#loaded.get(name);
    if (run) return Promise.resolve(run);
    const loading = this.#loading.get(name) ?? this.#fetch(name).finally(() => this.#loading.delete(name));
    this.#loading.set(name, loading);
    return loading;
  }

  /** The run if its curves are here. @param {string|null} name */
  get(name) {
    return name === null ? undefined : this.#loaded.get(name);
  }

  /** Show a run that the user picked. @param {string} name */
  async show(name) {
    this.shown = name;
    this.picked = ![...this.live.keys()].includes(name);
    this.#changed();
    await this.load(name);
    this.#changed();
  }

  /** A run was renamed, or deleted. @param {string} name @param {string|null} to */
  async moved(name, to) {
    this.#loaded.delete(name);
    await this.refreshIndex();
    if (this.shown === name) this.shown = to ?? this.index[0]?.name ?? null;
    if (this.shown) await this.load(this.shown).catch(() => {});
    this.#changed();
  }

  /** What run.json says of a run. @param {string} name */
  about(name) {
    return this.index.find((item) => item.name === name);
  }

  /** Read the steps that were missed. @param {string} name */
  async catchUp(name) {
    const run = this.#loaded.get(name);
    if (!run) return;
    run.gap = false;
    const after = run.columns.step.at(-1) ?? 0;
    const records = await this.server.log(name, after);
    run.gap = false;
    applyRecords(run, records);
    this.#changed();
  }

  async refreshIndex() {
    this.index = await this.server.runs().catch(() => this.index);
    for (const item of this.index) {
      const run = this.#loaded.get(item.name);
      if (run && !item.live) run.status = item.status;
    }
    this.#changed();
  }

  /** @param {string} name */
  async #fetch(name) {
    const [about, records] = await Promise.all([this.server.run(name), this.server.log(name)]).catch((error) => {
      // A run that prepares its dataset has no folder yet; what it says live is all there is.
      if (this.live.has(name)) return [{ live: true }, []];
      this.#waiting.delete(name);
      throw error;
    });
    const run = newRun(name);
    applyRecords(run, records);
    if (!about.live) run.status = about.status;
    for (const record of this.live.get(name)?.said ?? []) if (record.event !== "progress" || run.status !== "running") applyRecords(run, [record]);
    run.error ??= about.error ?? null;
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    this.#loaded.set(name, run);
    this.#apply(run, waiting);
    this.#changed();
    return run;
  }

  /** @param {Run} run @param {any[]} records */
  #apply(run, records) {
    applyRecords(run, records);
    if (run.gap) this.catchUp(run.name).catch(() => {});
  }

  #exists(/** @type {string|null} */ name) {
    return name !== null && (this.live.has(name) || this.index.some((item) => item.name === name));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
