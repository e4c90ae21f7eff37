// @ts-check
/**
 * A run as the panel knows it, built from records: the lines of log.jsonl and what the websocket brings are the same,
 * so a run looks the same live and after a reload. No DOM, no network; `node --test` runs it.
 *
 * @typedef {{step: number, loss: number|null, relative: number|null, best: boolean, overfitting: string|null, seconds: number}} Validation
 * @typedef {{file: string, prompt: string, seed: number}} Picture
 * @typedef {{step: number, width: number, height: number, images: Picture[], seconds: number}} Preview
 * @typedef {{level: string, topic: string, text: string, step: number|null, count: number}} Message
 * @typedef {{step: number[], loss: (number|null)[], gradNorm: (number|null)[], lr: Record<string, (number|null)[]>}} Columns
 * @typedef {{event: string, [key: string]: any}} LogRecord
 */

/** Steps that speed and time left are estimated from. */
const RECENT = 50;

/** @param {string} name */
export function newRun(name) {
  return {
    name,
    status: "unknown",
    step: 0,
    startStep: 0,
    totalSteps: 0,
    stepsPerEpoch: 0,
    /** Steps from one sampling to the next, 0: none; undefined in logs of before. @type {number|undefined} */
    previewEvery: undefined,
    /** The same of validations. */
    validateEvery: 0,
    /** @type {LogRecord|null} the newest step record, with its rates and memory */
    last: null,
    columns: emptyColumns(),
    /** @type {{seconds: number, items: number}[]} */
    recent: [],
    /** What the steps and the work before them took. */
    seconds: 0,
    /** @type {{step: number, seconds: number}[]} sittings that ended: what they took as a whole */
    sittings: [],
    /** @type {Validation[]} */
    validation: [],
    /** @type {Preview[]} */
    previews: [],
    /** @type {{step: number, kind: string, file: string}[]} */
    saved: [],
    /** @type {Message[]} */
    messages: [],
    /** @type {{phase: string, done: number, total: number}|null} */
    phase: null,
    /** @type {string|null} */
    lora: null,
    /** @type {string|null} */
    error: null,
    /** @type {string|null} "pause" or "stop", from when it is asked for until the run has ended */
    asked: null,
    /** @type {{action: string, seconds: number}|null} what another process was asked for and has not taken for so long */
    unanswered: null,
    /** A step is missing between what is known and what arrived: the log has to be read again. */
    gap: false,
    /** Counts changes of the curves, so that views redraw only what changed. */
    curveVersion: 0,
    /** Counts changes of the pictures. */
    previewVersion: 0,
  };
}

/** @typedef {ReturnType<typeof newRun>} Run */

/** @returns {Columns} */
function emptyColumns() {
  return { step: [], loss: [], gradNorm: [], lr: {} };
}

/** Put `item` where its step belongs, in place of an item that `same` recognises. */
function upsert(/** @type {any[]} */ list, /** @type {any} */ item, same = (/** @type {any} */ other) => other.step === item.step) {
  const found = list.findIndex(same);
  if (found >= 0) list[found] = item;
  else list.push(item);
  if (list.length > 1 && list[list.length - 1].step < list[list.length - 2].step) list.sort((a, b) => a.step - b.step);
}

/** Forget what came after `step`: a resumed run does it again. @param {Run} run @param {number} step */
function rewind(run, step) {
  const { columns } = run;
  while (columns.step.length && columns.step[columns.step.length - 1] > step) {
    columns.step.pop();
    columns.loss.pop();
    columns.gradNorm.pop();
    for (const rates of Object.values(columns.lr)) rates.pop();
  }
  run.step = Math.min(run.step, step);
  run.validation = run.validation.filter((item) => item.step <= step);
  run.previews = run.previews.filter((item) => item.step <= step);
  run.saved = run.saved.filter((item) => item.step <= step);
  run.sittings = step ? run.sittings.filter((item) => item.step <= step) : [];
  run.recent = [];
  if (step === 0) run.seconds = 0;
  run.messages = run.messages.filter((item) => (item.step ?? 0) <= step);
  run.curveVersion++;
  run.previewVersion++;
}

/** Every group's column is as long as the steps, with null where the group was not there. @param {Columns} columns */
function pushRates(columns, /** @type {Record<string, number|null>} */ rates) {
  for (const group of Object.keys(rates)) columns.lr[group] ??= new Array(columns.step.length - 1).fill(null);
  for (const [group, column] of Object.entries(columns.lr)) column.push(rates[group] ?? null);
}

/** @type {Record<string, (run: Run, record: LogRecord) => void>} */
const REDUCERS = {
  started(run, record) {
    rewind(run, record.start_step);
    run.startStep = record.start_step;
    run.step = record.start_step;
    run.totalSteps = record.total_steps;
    run.stepsPerEpoch = record.steps_per_epoch ?? 0;
    run.previewEvery = record.preview_every;
    run.validateEvery = record.validate_every ?? 0;
    run.seconds += record.seconds ?? 0;
    run.status = "running";
    run.phase = null;
    run.error = null;
    run.asked = run.unanswered = null;
  },
  progress(run, record) {
    run.phase = { phase: record.phase, done: record.done, total: record.total };
    if (run.status !== "running") run.status = "running";
  },
  step(run, record) {
    run.phase = null;
    const { columns } = run;
    const newest = columns.step[columns.step.length - 1] ?? 0;
    if (record.step <= newest) return;
    if (record.step > Math.max(newest, run.startStep) + 1) run.gap = true;
    columns.step.push(record.step);
    columns.loss.push(record.loss);
    columns.gradNorm.push(record.grad_norm);
    pushRates(columns, record.lr);
    run.step = record.step;
    run.totalSteps = record.total_steps;
    run.last = record;
    run.seconds += record.seconds ?? 0;
    run.recent.push({ seconds: record.seconds ?? 0, items: record.items });
    if (run.recent.length > RECENT) run.recent.shift();
    run.curveVersion++;
  },
  steps(run, record) {
    const { columns } = run;
    const newest = columns.step[columns.step.length - 1] ?? 0;
    const from = record.step.findIndex((/** @type {number} */ step) => step > newest);
    if (from < 0) return;
    const had = columns.step.length;
    const extend = (/** @type {any[]} */ column, /** @type {any[]} */ more) => { for (let i = from; i < more.length; i++) column.push(more[i]); };
    extend(columns.step, record.step);
    extend(columns.loss, record.loss);
    extend(columns.gradNorm, record.grad_norm);
    for (const group of Object.keys(record.lr)) extend((columns.lr[group] ??= new Array(had).fill(null)), record.lr[group]);
    for (const column of Object.values(columns.lr)) while (column.length < columns.step.length) column.push(null);
    run.step = Math.max(run.step, columns.step[columns.step.length - 1]);
    run.seconds += record.seconds ?? 0;
    run.curveVersion++;
  },
  validated(run, record) {
    run.phase = null;
    const { step, loss, relative, best, overfitting, seconds = 0 } = record;
    upsert(run.validation, { step, loss, relative, best, overfitting, seconds });
    if (overfitting) addMessage(run, { level: "warning", topic: "overfitting", text: overfitting, step });
    run.curveVersion++;
  },
  preview(run, record) {
    run.phase = null;
    const { step, width, height, images, seconds = 0 } = record;
    upsert(run.previews, { step, width, height, images, seconds });
    run.previewVersion++;
  },
  saved(run, record) {
    const { step, kind, file } = record;
    // A file that is written again is the same file, of a later step.
    upsert(run.saved, { step, kind, file }, (other) => other.kind === kind && other.file === file);
  },
  message(run, record) {
    addMessage(run, /** @type {any} */ (record));
  },
  asked(run, record) {
    run.asked = record.action;
  },
  unanswered(run, { action, seconds }) {
    run.unanswered = { action, seconds };
  },
  answered(run) {
    run.unanswered = null;
  },
  ended(run, record) {
    run.asked = run.unanswered = null;
    run.status = record.reason;
    run.phase = null;
    run.step = record.step;
    run.totalSteps = record.total_steps;
    run.lora = record.lora ?? run.lora;
    run.error = record.error;
    upsert(run.sittings, { step: record.step, seconds: record.seconds ?? 0 });
  },
};

/** Messages of one topic are one line that counts; the newest text stands. @param {Run} run */
function addMessage(run, /** @type {{level: string, topic: string, text: string, step: number|null}} */ message) {
  const { level, topic, text, step } = message;
  const known = run.messages.find((other) => other.topic === topic && other.level === level);
  if (!known) run.messages.push({ level, topic, text, step, count: 1 });
  else if (known.step !== step || known.text !== text) Object.assign(known, { text, step, count: known.count + 1 });
}

/** Take records in; unknown kinds are left alone, so an older page survives a newer server. @param {Run} run @param {LogRecord[]} records */
export function applyRecords(run, records) {
  for (const record of records) REDUCERS[record.event]?.(run, record);
  return run;
}

/** Seconds a step and images a second over the newest steps; null before the first. @param {Run} run */
export function speed(run) {
  const seconds = run.recent.reduce((sum, item) => sum + item.seconds, 0);
  const items = run.recent.reduce((sum, item) => sum + item.items, 0);
  if (!run.recent.length || seconds <= 0) return null;
  return { secondsPerStep: seconds / run.recent.length, imagesPerSecond: items / seconds };
}

/** How long something beside the steps, done at `every` and at the end, will take all in all: the times it is still due, at what it took so far.
 * @param {{step: number, seconds: number}[]} done @param {number} every @param {number} step @param {number} total */
function beside(done, every, step, total) {
  if (!every) return 0;
  const last = Math.max(done.at(-1)?.step ?? 0, step - 1);
  const due = Math.floor(total / every) - Math.floor(last / every) + (total % every && last < total ? 1 : 0);
  const took = done.filter((one) => one.seconds).map((one) => one.seconds);
  return took.length ? (Math.max(due, 0) * took.reduce((sum, one) => sum + one, 0)) / took.length : 0;
}

/** Seconds until the run's end at the present speed, sampling and validations too; null when unknown, or nothing that has a known time is left.
 * @param {Run} run */
export function secondsLeft(run) {
  const now = speed(run);
  if (!now || !run.totalSteps) return null;
  const { step, totalSteps: total, phase } = run;
  const sampled = phase?.phase === "preview" && phase.total ? phase.done / phase.total : 0;
  const sampling = beside(run.previews, run.previewEvery ?? 0, step, total);
  const one = run.previews.at(-1)?.seconds ?? 0;
  const left = Math.max(total - step, 0) * now.secondsPerStep + Math.max(sampling - sampled * one, 0) + beside(run.validation, run.validateEvery, step, total);
  return left >= 0.5 ? left : null;
}

/** What the run took, from its first picture encoded to its last file; the parts of it where a sitting had no end. @param {Run} run */
export function secondsTaken(run) {
  const sum = (/** @type {{seconds: number}[]} */ parts) => parts.reduce((total, part) => total + part.seconds, 0);
  return Math.max(run.seconds + sum(run.previews) + sum(run.validation), sum(run.sittings));
}

/** The validation with the lowest loss so far; null when there is none. @param {Run} run */
export function bestValidation(run) {
  return run.validation.reduce(
    (/** @type {Validation|null} */ best, item) => (item.loss !== null && (best?.loss == null || item.loss < best.loss) ? item : best),
    null,
  );
}
