import assert from "node:assert/strict";
import test from "node:test";
import { makeOwnPresets } from "../../web/own_presets.mjs";
import { allows, apply, compare, fileName, fileOf } from "../../web/presets.mjs";
import { wiredNodes } from "../../web/wired.mjs";

const widget = (name, value, more = {}) => ({ name, value, options: {}, ...more });
const node = (type, widgets = [], sources = {}, more = {}) => ({
  type, widgets, graph: {}, inputs: Object.keys(sources).map((name) => ({ name, link: sources[name] ? 1 : null })),
  getInputNode: (slot) => Object.values(sources)[slot] ?? null, ...more,
});
const setting = (where, value) => ({ node: where.split(".")[0], widget: where.split(".")[1], value, why: { en: "because" }, source: "me" });

/** Train LoRA behind Bucket Config, Load Dataset, LoRA Network and a loader; Save LoRA behind it. */
function canvas() {
  const loader = node("UNETLoader", [widget("unet_name", "flux"), widget("weight_dtype", "default", { options: { values: ["default", "fp8_e4m3fn"] } })]);
  const data = node("LoRACanvasLoadDataset", [widget("folder", "mine"), widget("repeats", 2)]);
  const buckets = node("LoRACanvasBucketConfig", [widget("resolution", 512, { options: { min: 64, max: 4096 } })], { dataset: data });
  const network = node("LoRACanvasLoRANetwork", [widget("rank", 16, { options: { min: 1, max: 1024 } }), widget("button", null, { type: "button", serialize: false })],
    { rank: null });
  const save = node("LoRACanvasSaveLoRA", [widget("filename", "my_lora"), widget("dtype", "fp16", { type: "combo", options: { values: () => ["fp16", "bf16"] } })]);
  const train = node("LoRACanvasTrainLoRA", [widget("steps", 1500), widget("run_name", "x"), widget("deterministic", false)],
    { model: loader, dataset: buckets, network, clip: null }, { outputs: [{}], getOutputNodes: () => [save] });
  return { loader, data, buckets, network, save, train };
}

test("every node before it is found, and Save LoRA behind it", () => {
  const { train, loader, data, save } = canvas();
  const nodes = wiredNodes(train);
  assert.deepEqual([...nodes.keys()].sort(), ["LoRACanvasBucketConfig", "LoRACanvasLoRANetwork", "LoRACanvasLoadDataset", "LoRACanvasSaveLoRA",
    "LoRACanvasTrainLoRA", "UNETLoader"]);
  assert.deepEqual([nodes.get("UNETLoader"), nodes.get("LoRACanvasLoadDataset"), nodes.get("LoRACanvasSaveLoRA")], [loader, data, save]);
  loader.inputs = [{ name: "circle", link: 1 }];
  loader.getInputNode = () => train;
  assert.equal(wiredNodes(train).size, 6);
});

test("what changes, what is so already, and what cannot be set and why", () => {
  const { train, network } = canvas();
  network.inputs = [{ name: "rank", link: 7 }];
  const { changes, same, left } = compare(wiredNodes(train), [setting("LoRACanvasTrainLoRA.steps", 3000), setting("LoRACanvasBucketConfig.resolution", 512),
    setting("LoRACanvasLoRANetwork.rank", 32), setting("LoRACanvasTrainingObjective.loss", "l2"), setting("LoRACanvasTrainLoRA.new", 1),
    setting("UNETLoader.weight_dtype", "nvfp4"), setting("LoRACanvasSaveLoRA.dtype", "bf16")]);
  assert.deepEqual(changes.map(({ widget: { name }, from, setting: { value } }) => [name, from, value]), [["steps", 1500, 3000], ["dtype", "fp16", "bf16"]]);
  assert.deepEqual(same.map((one) => one.widget.name), ["resolution"]);
  assert.deepEqual(left.map((one) => one.reason), ["wired", "noNode", "noWidget", "notAllowed"]);
});

test("a widget holds what its kind and limits allow", () => {
  assert.ok(allows(widget("rank", 1, { options: { min: 1, max: 8 } }), 8));
  for (const wrong of [9, 0, "8", true, NaN === 0]) assert.ok(!allows(widget("rank", 1, { options: { min: 1, max: 8 } }), wrong), String(wrong));
  assert.ok(allows(widget("flip", false), true) && !allows(widget("flip", false), 1));
  assert.ok(allows(widget("text", "a"), "b") && !allows(widget("text", "a"), 1));
});

test("setting is one step of the canvas, and the widgets hear of it", () => {
  const { train } = canvas();
  const heard = [];
  train.widgets[0].callback = (value) => heard.push(value);
  const graph = { beforeChange: () => heard.push("before"), afterChange: () => heard.push("after") };
  apply(graph, compare(wiredNodes(train), [setting("LoRACanvasTrainLoRA.steps", 10)]).changes);
  assert.deepEqual(heard, ["before", 10, "after"]);
  assert.equal(train.widgets[0].value, 10);
});

test("one's own file has settings, and nothing that is of this machine or comes over a wire", () => {
  const { train, network } = canvas();
  network.inputs = [{ name: "rank", link: 7 }];
  assert.deepEqual(JSON.parse(fileOf("Mine", wiredNodes(train))), {
    format: "lora_canvas preset", version: 1, name: "Mine",
    nodes: { LoRACanvasLoRANetwork: {}, LoRACanvasBucketConfig: { resolution: 512 }, LoRACanvasLoadDataset: { repeats: 2 },
      LoRACanvasTrainLoRA: { steps: 1500, deterministic: false }, LoRACanvasSaveLoRA: { dtype: "fp16" }, UNETLoader: { weight_dtype: "default" } },
  });
});

test("names become names of files", () => {
  assert.deepEqual(["a/b\\c:d", "  ..x. ", "人物 1", "\u0001"].map(fileName), ["a_b_c_d", "x", "人物 1", "_"]);
  assert.equal(fileName("x".repeat(200)).length, 80);
});

test("one's own are read, saved and removed through ComfyUI's own routes", async () => {
  const asked = [];
  const own = makeOwnPresets({ fetchApi: async (route, options) => (asked.push([options?.method ?? "GET", route, options?.body]),
    { ok: !route.includes("gone"), status: 404, statusText: "Not Found", text: async () => "text" }) });
  assert.equal(await own.read("a b"), "text");
  await own.save("x/y", "{}");
  await own.remove("z");
  assert.deepEqual(asked, [["GET", "/userdata/lora_canvas%2Fpresets%2Fa%20b.json", undefined],
    ["POST", "/userdata/lora_canvas%2Fpresets%2Fx_y.json?overwrite=true", "{}"], ["DELETE", "/userdata/lora_canvas%2Fpresets%2Fz.json", undefined]]);
  await assert.rejects(own.read("gone"), /404/);
});
