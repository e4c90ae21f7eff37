import assert from "node:assert/strict";
import test from "node:test";
import { makeMemoryHint, memoryText, modelOf, planText, wantedOf } from "../../web/memory_hint.mjs";

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

/** A Train LoRA node behind core's loader, with what decides. */
function canvas() {
  const widgets = (values) => Object.entries(values).map(([name, value]) => ({ name, value }));
  const before = {
    model: { type: "UNETLoader", widgets: widgets({ unet_name: "flux.safetensors", weight_dtype: "fp8_e4m3fn" }) },
    dataset: { widgets: widgets({ resolution: 512, crop: "centre" }) },
    network: { widgets: widgets({ algorithm: "lora", rank: 8 }) },
    optimizer: { widgets: widgets({ optimizer: "AdamW8bit", text_encoder_lr: 0 }) },
  };
  const names = Object.keys(before);
  const node = { graph: {}, widgets: widgets({ batch_size: 2, steps: 9 }), inputs: names.map((name) => ({ name })), getInputNode: (slot) => before[names[slot]] };
  return { node, before };
}

test("a plan is made for all that decides, and for nothing else", () => {
  const { node, before } = canvas();
  assert.deepEqual(wantedOf(node), {
    folder: "diffusion_models", model: "flux.safetensors", weight_dtype: "fp8_e4m3fn", batch_size: 2, resolution: 512, algorithm: "lora", rank: 8,
    optimizer: "AdamW8bit",
  });
  before.optimizer.widgets[1].value = 1e-5;
  assert.equal(wantedOf(node), null, "text encoders are trained");
  before.optimizer.widgets[1].value = 0;
  before.network.inputs = [{ name: "rank", link: 3 }];
  assert.equal(wantedOf(node), null, "what a wire brings is not known yet");
  before.network.inputs = [{ name: "rank", link: null }];
  assert.equal(wantedOf(node)?.rank, 8);
  before.model.type = "SomebodysLoader";
  assert.equal(wantedOf(node), null, "another loader may make another model of the file");
});

test("the last run is said at once, then the plan, where there is one", async () => {
  const { node, before } = canvas();
  const shown = [];
  const plan = { ...LAST, takes: 2 ** 30 };
  const server = { memory: async () => LAST, plan: async (wanted) => (wanted.rank === 8 ? plan : null) };
  const ask = makeMemoryHint(node, server, (text) => shown.push(text));
  await ask();
  assert.deepEqual(shown, [memoryText(LAST), planText(plan)]);
  assert.ok(planText(plan).startsWith("Memory, predicted: 1"));
  before.network.widgets[1].value = 16;
  await ask();
  assert.deepEqual(shown.slice(2), [memoryText(LAST)]);
});

test("the server is asked once a model", async () => {
  const asked = [];
  const shown = [];
  const server = {
    memory: async (model) => (asked.push(model), model === "b" ? Promise.reject(new Error("gone")) : LAST),
    plan: async () => assert.fail("the loader is not core's"),
  };
  const source = loader("ckpt_name", "a");
  const ask = makeMemoryHint(behind(source), server, (text) => shown.push(text));
  await ask();
  await ask();
  source.widgets[1].value = "b";
  await ask();
  assert.deepEqual(asked, ["a", "b"]);
  assert.deepEqual(shown, [memoryText(LAST), memoryText(null)]);
});
