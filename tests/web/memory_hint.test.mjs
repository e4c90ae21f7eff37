import assert from "node:assert/strict";
import test from "node:test";
import { makeMemoryHint, memoryText, modelOf } from "../../web/memory_hint.mjs";

const loader = (name, value) => ({ widgets: [{ name: "other", value: 1 }, { name, value }], inputs: [] });
const behind = (before) => ({ graph: {}, inputs: [{ name: "clip" }, { name: "model" }], getInputNode: (slot) => (slot === 1 ? before : null) });
const LAST = { takes: 13.4 * 2 ** 30, free: 15 * 2 ** 30, pixels: 1024, batch_size: 2, how: "no block is computed twice" };

test("the model's file is that of the loader, through what stands between", () => {
  assert.equal(modelOf(behind(loader("ckpt_name", "a/b.safetensors"))), "a/b.safetensors");
  assert.equal(modelOf(behind(behind(loader("unet_name", "flux.safetensors")))), "flux.safetensors");
});

test("no loader, no link and circles are none", () => {
  assert.equal(modelOf(behind(null)), null);
  assert.equal(modelOf({}), null);
  const alone = behind(null);
  alone.graph = null;
  alone.getInputNode = () => { throw new Error("NullGraphError"); };
  assert.equal(modelOf(alone), null);
  const circle = behind(null);
  circle.getInputNode = () => circle;
  assert.equal(modelOf(circle), null);
});

test("it says what the last run took, or that nobody knows yet", () => {
  const text = memoryText(LAST);
  for (const part of ["13.4", "15", "1024 px", "batch 2", "no block is computed twice"]) assert.ok(text.includes(part), `${part}: ${text}`);
  assert.equal(memoryText(null), "Memory: known once the model is loaded.");
});

test("the server is asked once a model", async () => {
  const asked = [];
  const shown = [];
  const server = { memory: async (model) => (asked.push(model), model === "b" ? Promise.reject(new Error("gone")) : LAST) };
  const source = loader("ckpt_name", "a");
  const ask = makeMemoryHint(behind(source), server, (text) => shown.push(text));
  await ask();
  await ask();
  source.widgets[1].value = "b";
  await ask();
  assert.deepEqual(asked, ["a", "b"]);
  assert.deepEqual(shown, [memoryText(LAST), memoryText(null)]);
});
