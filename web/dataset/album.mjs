// @ts-check
/** The pictures of a folder while they are edited: what the server knows of them, what was typed and is not saved yet, what is chosen.
 * Typing is saved after a short rest, when the page goes, and before anything else is done. Says "change". No DOM. */

export const REST = 600;
const AGAIN = 3000;

/** @typedef {{mine: string, theirs: string}} Conflict */

export class Album extends EventTarget {
  /** @type {any[]} */
  rows = [];
  key = "";
  folder = "";
  /** @type {string[]} */
  told = [];
  /** @type {string|null} what an undo would take back */
  undoes = null;
  /** @type {Set<number>} */
  chosen = new Set();
  /** @type {Map<number, Conflict>} captions that were changed elsewhere while they were edited here */
  conflicts = new Map();
  /** @type {Map<number, string>} captions that a captioner suggests, until each is taken or thrown away */
  suggestions = new Map();
  /** @type {string} why something could not be saved; it is tried again */
  trouble = "";
  /** @type {Map<number, {text: string, timer: any, burst: string}>} */
  #drafts = new Map();
  /** @type {Map<number, string>} texts on their way, and the promise of each */
  #sending = new Map();
  /** @type {Map<number, Promise<void>>} */
  #sent = new Map();
  #bursts = 0;

  /** @param {{open: () => Promise<any>, edit: (key: string, what: string, body: any) => Promise<any>}} server @param {number} rest milliseconds */
  constructor(server, rest = REST) {
    super();
    this.server = server;
    this.rest = rest;
  }

  /** Reads the folder. */
  async open() {
    const { key, folder, rows, told, undo } = await this.server.open();
    const kept = new Set([...this.chosen].map((index) => this.rows[index]?.name));
    Object.assign(this, { key, folder, rows, told, undoes: undo });
    this.chosen = new Set(rows.flatMap((/** @type {any} */ row, /** @type {number} */ index) => (kept.has(row.name) ? [index] : [])));
    this.#say();
  }

  /** The caption as it is typed. @param {number} index */
  textOf(index) {
    return this.#drafts.get(index)?.text ?? this.#sending.get(index) ?? this.conflicts.get(index)?.mine ?? this.rows[index].caption;
  }

  /** Whether all that was typed is on the server's disk. */
  get isSaved() {
    return !this.#drafts.size && !this.#sending.size;
  }

  /** A caption is being typed. `burst` is the same until somebody turns to another one. @param {number} index @param {string} text */
  type(index, text) {
    const draft = this.#drafts.get(index) ?? { burst: this.#burstOf(index), text, timer: 0 };
    clearTimeout(draft.timer);
    draft.text = text;
    draft.timer = setTimeout(() => this.save(index), this.rest);
    this.#drafts.set(index, draft);
    this.dispatchEvent(new CustomEvent("typed", { detail: index }));
  }

  /** @type {[number, string]} */
  #burst = [-1, ""];
  #burstOf(/** @type {number} */ index) {
    if (this.#burst[0] !== index) this.rested(index);
    return this.#burst[1];
  }

  /** What is typed next is an edit of its own. @param {number} index */
  rested(index = -1) {
    this.#burst = [index, `${Date.now()}-${++this.#bursts}`];
  }

  /** @param {number} index @returns {Promise<void>} */
  save(index) {
    const draft = this.#drafts.get(index);
    if (!draft) return this.#sent.get(index) ?? Promise.resolve();
    clearTimeout(draft.timer);
    this.#drafts.delete(index);
    const before = [this.conflicts.get(index)?.theirs ?? this.rows[index].caption];
    const onItsWay = this.#sending.get(index);
    if (onItsWay !== undefined) before.push(onItsWay); // whichever of the two is there when this one comes
    this.conflicts.delete(index);
    this.#sending.set(index, draft.text);
    const sent = this.#send(index, before, draft).finally(() => {
      if (this.#sent.get(index) === sent) this.#sent.delete(index);
    });
    this.#sent.set(index, sent);
    return sent;
  }

  /** @param {number} index @param {string[]} before @param {{text: string, burst: string}} draft */
  async #send(index, before, { text, burst }) {
    const done = () => this.#sending.get(index) === text && this.#sending.delete(index);
    try {
      const answer = await this.#edit("caption", { index, before, text, burst });
      done();
      this.trouble = "";
      this.#take(answer);
    } catch (error) {
      const latest = done();
      const { status, content, message } = /** @type {any} */ (error);
      if (status === 409) {
        this.rows[index].caption = content.text;
        if (!this.#drafts.has(index)) this.conflicts.set(index, { mine: text, theirs: content.text });
      } else if (latest && !this.#drafts.has(index)) {
        // Nothing that was typed is lost: it is kept here, and tried again.
        this.#drafts.set(index, { text, burst, timer: status ? 0 : setTimeout(() => this.save(index), AGAIN) });
      }
      this.trouble = message;
      this.#say();
    }
  }

  /** Everything that was typed is on its way at once. @returns {Promise<any>} */
  flush() {
    for (const index of [...this.#drafts.keys()]) this.save(index);
    return Promise.all(this.#sent.values());
  }

  /** Take theirs, or write mine over it. @param {number} index @param {"mine"|"theirs"} whose */
  async settle(index, whose) {
    const conflict = this.conflicts.get(index);
    if (!conflict) return;
    if (whose === "mine") {
      this.type(index, conflict.mine);
      await this.save(index);
    } else {
      this.conflicts.delete(index);
      this.trouble = "";
      this.#say();
    }
  }

  /** Captions by the pictures' names. @param {Record<string, string>} found @returns {number} how many are others than those that are there */
  suggest(found) {
    const before = this.suggestions.size;
    this.rows.forEach((row, index) => row.name in found && found[row.name] !== this.textOf(index) && this.suggestions.set(index, found[row.name]));
    this.#say();
    return this.suggestions.size - before;
  }

  /** @param {number} index @param {boolean} take else it is thrown away */
  async decide(index, take) {
    const text = this.suggestions.get(index);
    this.suggestions.delete(index);
    if (take && text !== undefined) {
      this.rested(index);
      this.type(index, text);
      await this.save(index);
    }
    this.#say();
  }

  /** @param {string} what @param {any} body */
  async #edit(what, body) {
    try {
      return await this.server.edit(this.key, what, body);
    } catch (error) {
      if (/** @type {any} */ (error)?.status !== 410) throw error;
      const names = this.rows.map((row) => row.name).join("\n");
      const { key, rows } = await this.server.open(); // the server was started again, or others were opened
      if (rows.map((/** @type {any} */ row) => row.name).join("\n") !== names) throw error;
      this.key = key;
      return this.server.edit(key, what, body);
    }
  }

  /** Anything but typing, on all that was typed. @param {string} what @param {any} [body] @returns {Promise<any>} the server's answer */
  async do(what, body = {}) {
    await this.flush();
    this.rested();
    const answer = await this.#edit(what, body);
    this.#take(answer);
    return answer;
  }

  #take(/** @type {any} */ { rows, undo }) {
    for (const [index, row] of Object.entries(rows)) Object.assign(this.rows[Number(index)], row);
    this.undoes = undo;
    this.#say();
  }

  /** @param {Iterable<number>} indices @param {boolean} on */
  choose(indices, on) {
    for (const index of indices) {
      if (on) this.chosen.add(index);
      else this.chosen.delete(index);
    }
    this.#say();
  }

  #say() {
    this.dispatchEvent(new Event("change"));
  }
}
