// The reducer: a run built live, from a log, or from both is the same run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyRecords, bestValidation, newRun, secondsLeft, secondsTaken, speed } from "../../web/store.mjs";

const started = (start_step = 0, total_steps = 200) => ({ event: "started", run: "r", start_step, total_steps, steps_per_epoch: 10 });
const step = (number, changes = {}) => ({
  event: "step", step: number, total_steps: 200, epoch: number / 10, loss: 1 / number, lr: { diffusion_model: 1e-4 }, grad_norm: 0.5,
  items: 2, seconds: 0.5, memory: 100, peak_memory: 200, ...changes,
});
const steps = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => step(from + index));
const packed = (records) => ({
  event: "steps", step: records.map((one) => one.step), loss: records.map((one) => one.loss), grad_norm: records.map((one) => one.grad_norm),
  lr: { diffusion_model: records.map((one) => one.lr.diffusion_model) }, seconds: records.length * 0.5, items: 2 * records.length, averaged: 1,
});
const ended = (reason, at) => ({ event: "ended", reason, step: at, total_steps: 200, lora: "r.safetensors", seconds: 1, error: null });
const plain = (run) => ({ ...run, curveVersion: 0, previewVersion: 0 });

test("live records and the packed log give the same run", () => {
  const all = steps(1, 120);
  const live = applyRecords(newRun("r"), [started(), ...all]);
  const read = applyRecords(newRun("r"), [started(), packed(all.slice(0, 70)), ...all.slice(70)]);
  assert.deepEqual(plain(read), plain(live));
  assert.equal(live.step, 120);
  assert.equal(live.columns.loss.length, 120);
  assert.equal(live.seconds, 60);
});

test("what overlaps is taken once", () => {
  const run = applyRecords(newRun("r"), [started(), ...steps(1, 20)]);
  applyRecords(run, [packed(steps(5, 25)), ...steps(18, 30)]);
  assert.deepEqual(run.columns.step, Array.from({ length: 30 }, (_, index) => index + 1));
  assert.equal(run.columns.lr.diffusion_model.length, 30);
});

test("a missing step is noticed", () => {
  assert.equal(applyRecords(newRun("r"), [started(), step(1), step(2)]).gap, false);
  assert.equal(applyRecords(newRun("r"), [started(), step(1), step(3)]).gap, true);
  assert.equal(applyRecords(newRun("r"), [started(40), step(41)]).gap, false);
});

test("resuming forgets what will happen again", () => {
  const run = applyRecords(newRun("r"), [
    started(), ...steps(1, 60), { event: "validated", step: 50, loss: 0.3, relative: 1, best: true, overfitting: null },
    { event: "preview", step: 60, width: 8, height: 8, images: [] }, ended("paused", 60), started(40), step(41),
  ]);
  assert.equal(run.status, "running");
  assert.equal(run.columns.step.at(-1), 41);
  assert.equal(run.columns.loss.length, 41);
  assert.deepEqual([run.validation.length, run.previews.length], [0, 0]);
  assert.equal(run.gap, false);
});

test("starting from nothing forgets the run of the same name", () => {
  const run = applyRecords(newRun("r"), [started(), ...steps(1, 60), started()]);
  assert.deepEqual([run.columns.step.length, run.seconds, run.step], [0, 0, 0]);
});

test("a learning-rate group that comes later is filled with nulls before", () => {
  const run = applyRecords(newRun("r"), [started(), step(1), step(2, { lr: { diffusion_model: 1, text_encoder: 2 } }), step(3)]);
  assert.deepEqual(run.columns.lr.text_encoder, [null, 2, null]);
});

test("phases pass", () => {
  const run = applyRecords(newRun("r"), [{ event: "progress", phase: "latents", done: 3, total: 9 }]);
  assert.deepEqual([run.status, run.phase?.done], ["running", 3]);
  applyRecords(run, [started()]);
  assert.equal(run.phase, null);
});

test("previews and validations are known by their step, in order", () => {
  const preview = (at, file) => ({ event: "preview", step: at, width: 8, height: 8, images: [{ file, prompt: "p", seed: 1 }] });
  const run = applyRecords(newRun("r"), [preview(100, "a"), preview(0, "b"), preview(100, "c")]);
  assert.deepEqual(run.previews.map((item) => [item.step, item.images[0].file]), [[0, "b"], [100, "c"]]);
});

test("messages of a topic count up", () => {
  const message = (at) => ({ event: "message", level: "warning", topic: "spilling", text: "slow", step: at });
  const run = applyRecords(newRun("r"), [message(1), message(2), message(2), { ...message(3), topic: "other" }]);
  assert.deepEqual(run.messages.map((item) => [item.topic, item.count, item.step]), [["spilling", 2, 2], ["other", 1, 3]]);
});

test("overfitting becomes a warning", () => {
  const run = applyRecords(newRun("r"), [{ event: "validated", step: 9, loss: 1, relative: 1, best: false, overfitting: "held-out rises" }]);
  assert.equal(run.messages[0].topic, "overfitting");
});

test("speed, time left and the best validation", () => {
  const run = applyRecords(newRun("r"), [started(), ...steps(1, 100)]);
  assert.deepEqual(speed(run), { secondsPerStep: 0.5, imagesPerSecond: 4 });
  assert.equal(secondsLeft(run), 50);
  assert.equal(speed(newRun("x")), null);
  assert.equal(secondsLeft(newRun("x")), null);
  const check = (at, loss) => ({ event: "validated", step: at, loss, relative: 1, best: false, overfitting: null });
  applyRecords(run, [check(10, 0.5), check(20, 0.3), check(30, 0.4), check(40, null)]);
  assert.equal(bestValidation(run)?.step, 20);
});

test("what is sampled and validated until the end takes its time too", () => {
  const preview = (at, seconds) => ({ event: "preview", step: at, width: 8, height: 8, images: [], seconds });
  const look = { event: "validated", step: 90, loss: 1, relative: 1, best: true, overfitting: null, seconds: 3 };
  const run = applyRecords(newRun("r"), [
    { ...started(), preview_every: 50, validate_every: 90 }, preview(0, 4), ...steps(1, 100), look, preview(100, 6),
  ]);
  // 100 steps of 0.5 s; sampling at 150 and 200, 5 s each; validations at 180 and at the end, 3 s each.
  assert.equal(secondsLeft(run), 50 + 10 + 6);
  applyRecords(run, [...steps(101, 200), { event: "progress", phase: "preview", done: 1, total: 4 }]);
  assert.equal(secondsLeft(run), 5 - 6 / 4 + 3);
  applyRecords(run, [preview(200, 5), { ...look, step: 200 }]);
  assert.equal(secondsLeft(run), null);
});

test("what a run took is all of it, by sittings or by what is known of them", () => {
  const first = [{ ...started(), seconds: 7 }, ...steps(1, 100), { event: "preview", step: 100, width: 8, height: 8, images: [], seconds: 4 }];
  assert.equal(secondsTaken(applyRecords(newRun("r"), first)), 7 + 50 + 4);
  const paused = { ...ended("paused", 100), seconds: 70 };
  assert.equal(secondsTaken(applyRecords(newRun("r"), [...first, paused, paused])), 70);
  const again = [{ ...started(100), seconds: 2 }, ...steps(101, 120), { ...ended("finished", 120), seconds: 20 }];
  assert.equal(secondsTaken(applyRecords(newRun("r"), [...first, paused, ...again])), 90);
});

test("an unknown record is left alone", () => {
  assert.doesNotThrow(() => applyRecords(newRun("r"), [{ event: "from the future" }]));
});

test("a hundred thousand steps are read in a moment", () => {
  const many = packed(steps(1, 100_000));
  const before = performance.now();
  const run = applyRecords(newRun("r"), [started(), many]);
  assert.equal(run.columns.step.length, 100_000);
  assert.ok(performance.now() - before < 500);
});
