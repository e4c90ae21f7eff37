import assert from "node:assert/strict";
import { test } from "node:test";
import { NextRun, nextText } from "../../web/next_run.mjs";

const PROMPT = { 3: { class_type: "LoRACanvasTrainLoRA", inputs: {} }, "5:4": { class_type: "LoRACanvasTrainLoRA", inputs: {} }, 1: { class_type: "KSampler", inputs: {} } };

test("every Train LoRA node of the canvas is asked about once things have come to rest", async () => {
  const asked = [];
  const server = { next: async (prompt, node) => (asked.push(node), node === "3" ? { next: "new" } : { next: "goes on", run: "fox", step: 1000, total_steps: 1500 }) };
  const next = new NextRun({ graphToPrompt: async () => ({ output: PROMPT }) }, server, 1);
  const told = new Promise((resolve) => next.addEventListener("change", resolve));
  next.ask();
  next.ask();
  await told;
  assert.deepEqual(asked, ["3", "5:4"]);
  assert.equal(nextText(next.nodes.get("3")), "Run begins a new run.");
  assert.match(nextText(next.nodes.get("5:4")), /^Run goes on with fox from step 1.?000 of 1.?500\.$/);
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
