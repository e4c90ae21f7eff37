import assert from "node:assert/strict";
import { test } from "node:test";
import { lengthText, NextRun, nextText } from "../../web/next_run.mjs";

const PROMPT = { 3: { class_type: "LoRACanvasTrainLoRA", inputs: {} }, "5:4": { class_type: "LoRACanvasTrainLoRA", inputs: {} }, 1: { class_type: "KSampler", inputs: {} } };

test("every Train LoRA node of the canvas is asked about once things have come to rest", async () => {
  const asked = [];
  const server = { next: async (prompt, node) => (asked.push(node), node === "3" ? { next: "new" } : { next: "goes on", run: "fox", step: 1000, total_steps: 1500 }),
    estimate: async (prompt, node) => (node === "3" ? { steps: 1500 } : Promise.reject(new Error("gone"))) };
  const next = new NextRun({ graphToPrompt: async () => ({ output: PROMPT }) }, server, 1);
  const told = new Promise((resolve) => next.addEventListener("change", resolve));
  next.ask();
  next.ask();
  await told;
  assert.deepEqual(asked, ["3", "5:4"]);
  assert.equal(nextText(next.nodes.get("3")), "Run begins a new run.");
  assert.match(nextText(next.nodes.get("5:4")), /^Run goes on with fox from step 1.?000 of 1.?500\.$/);
  await new Promise((resolve) => next.addEventListener("change", resolve));
  assert.deepEqual([...next.lengths], [["3", { steps: 1500 }], ["5:4", null]], "later, each for itself");
});

test("how long a run will be, as far as it is known", () => {
  const known = { steps: 1500, epochs: 75, pictures: 20, seconds_per_step: 2 };
  assert.match(lengthText(known, { next: "new" }), /^1.?500 steps · 75 epochs of 20 pictures · about 50:00 of steps, as last time$/);
  assert.match(lengthText(known, { next: "goes on", step: 1200 }), /about 10:00 of steps/, "those that are left");
  assert.doesNotMatch(lengthText({ ...known, seconds_per_step: null }, null), /about/, "no time that was not measured");
  assert.equal(lengthText({ steps: null, epochs: 10, pictures: null, seconds_per_step: 2 }, null), "10 epochs", "no steps, no time");
  assert.equal(lengthText(null, null), "");
});

test("where the server does not answer nothing is said", async () => {
  const next = new NextRun({ graphToPrompt: async () => ({ output: PROMPT }) }, { next: () => Promise.reject(new Error("away")) }, 1);
  next.nodes.set("3", { next: "new" });
  const told = new Promise((resolve) => next.addEventListener("change", resolve));
  next.ask();
  await told;
  assert.equal(nextText(next.nodes.get("3")), "");
  assert.equal(nextText({ next: "unknown" }), "");
  assert.match(nextText({ next: "nothing", run: "fox", step: 24 }), /^Nothing to train: fox has done its 24 steps/);
});
