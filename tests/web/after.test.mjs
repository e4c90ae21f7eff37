// A run after it: a LoRA on the canvas, samples side by side, its settings as a file, being told of its end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { choices } from "../../web/after/choose_run.mjs";
import { sideBySide, stepsOf } from "../../web/after/compare_samples.mjs";
import { makeNotifier, wordsOf } from "../../web/after/notify.mjs";
import { deletionLines } from "../../web/after/run_actions.mjs";
import { FORMAT, settingsFile } from "../../web/after/settings_file.mjs";
import { freePlace, places, useLora, userOf } from "../../web/after/use_lora.mjs";

const KINDS = {
  CheckpointLoaderSimple: [[], ["MODEL", "CLIP", "VAE"]],
  LoRACanvasTrainLoRA: [["model:MODEL", "clip:CLIP"], ["MODEL", "CLIP", "LORA_MODEL"]],
  LoRACanvasLoRATest: [["model:MODEL", "clip:CLIP"], ["IMAGE"]],
  KSampler: [["model:MODEL", "positive:CONDITIONING"], ["LATENT"]],
  CLIPTextEncode: [["clip:CLIP"], ["CONDITIONING"]],
  LoraLoader: [["model:MODEL", "clip:CLIP"], ["MODEL", "CLIP"]],
  LoraLoaderModelOnly: [["model:MODEL"], ["MODEL"]],
  UNETLoader: [[], ["MODEL"]],
};

/** A canvas with as much of LiteGraph as links need: connecting an input takes the link away that was there. */
class Graph {
  _nodes = [];
  links = new Map();
  changes = [];
  #next = 1;
  beforeChange() { this.changes.push("before"); }
  afterChange() { this.changes.push("after"); }
  getNodeById(id) { return this._nodes.find((node) => node.id === id); }
  add(node) { this._nodes.push(Object.assign(node, { id: this._nodes.length + 1, graph: this })); return node; }
  make = (type) => {
    const [inputs, outputs] = KINDS[type];
    const node = { type, comfyClass: type, pos: [0, 0], size: [200, 100], widgets: /Lora/.test(type) ? [{ name: "lora_name", value: "x", options: { values: ["x"] } }] : [],
      inputs: inputs.map((text) => ({ name: text.split(":")[0], type: text.split(":")[1], link: null })), outputs: outputs.map((kind) => ({ type: kind, links: [] })) };
    node.connect = (slot, target, at) => {
      const input = target.inputs[at];
      const old = this.links.get(input.link);
      if (old) this.getNodeById(old.origin_id).outputs[old.origin_slot].links = this.getNodeById(old.origin_id).outputs[old.origin_slot].links.filter((id) => id !== input.link);
      const id = this.#next++;
      this.links.set(id, { origin_id: node.id, origin_slot: slot, target_id: target.id, target_slot: at });
      input.link = id;
      node.outputs[slot].links.push(id);
    };
    return node;
  };
  /** "KSampler.model" comes from … @returns {string} */
  from(node, name) {
    const link = this.links.get(node.inputs.find((one) => one.name === name).link);
    return link ? this.getNodeById(link.origin_id).type : "";
  }
}

function canvas(...types) {
  const graph = new Graph();
  return [graph, ...types.map((type) => graph.add(graph.make(type)))];
}

const FILES = ["x", "fox/fox.safetensors"];

test("what Train LoRA gave to others comes from the file now; our own nodes keep the model as it is", () => {
  const [graph, loader, train, sampler, prompt, plain, tester] = canvas("CheckpointLoaderSimple", "LoRACanvasTrainLoRA", "KSampler", "CLIPTextEncode", "KSampler", "LoRACanvasLoRATest");
  loader.connect(0, train, 0);
  loader.connect(1, train, 1);
  train.connect(0, sampler, 0);
  train.connect(1, prompt, 0);
  loader.connect(0, plain, 0);
  loader.connect(0, tester, 0);
  const { node, wired } = useLora(graph, graph.make, FILES[1], FILES);
  assert.deepEqual([node.type, node.widgets[0].value, wired], ["LoraLoader", FILES[1], 2]);
  assert.deepEqual(["model", "clip"].map((name) => graph.from(node, name)), ["CheckpointLoaderSimple", "CheckpointLoaderSimple"]);
  assert.deepEqual([graph.from(sampler, "model"), graph.from(prompt, "clip"), graph.from(plain, "model"), graph.from(tester, "model"), graph.from(train, "model")],
    ["LoraLoader", "LoraLoader", "CheckpointLoaderSimple", "CheckpointLoaderSimple", "CheckpointLoaderSimple"]);
  assert.deepEqual(graph.changes, ["before", "after"]);
  assert.equal(userOf(graph, FILES[1]), node);
});

test("without Train LoRA it goes behind the loader", () => {
  const [graph, loader, sampler, prompt] = canvas("CheckpointLoaderSimple", "KSampler", "CLIPTextEncode");
  loader.connect(0, sampler, 0);
  loader.connect(1, prompt, 0);
  const { node, wired } = useLora(graph, graph.make, FILES[1], FILES);
  assert.deepEqual([wired, graph.from(sampler, "model"), graph.from(prompt, "clip"), graph.from(node, "model")], [2, "LoraLoader", "LoraLoader", "CheckpointLoaderSimple"]);
});

test("a model without a text encoder gets the loader for models alone", () => {
  const [graph, loader, sampler] = canvas("UNETLoader", "KSampler");
  loader.connect(0, sampler, 0);
  assert.equal(useLora(graph, graph.make, FILES[1], FILES).node.type, "LoraLoaderModelOnly");
  assert.equal(graph.from(sampler, "model"), "LoraLoaderModelOnly");
});

test("where two models could be meant, or none, it is only placed", () => {
  for (const [graph] of [canvas("CheckpointLoaderSimple", "UNETLoader"), canvas()]) {
    const { node, wired } = useLora(graph, graph.make, FILES[1], FILES);
    assert.deepEqual([wired, node.inputs[0].link, node.widgets[0].value], [0, null, FILES[1]]);
    assert.deepEqual(places(graph), { model: null, clip: null });
  }
});

test("it covers no other node", () => {
  const boxes = [{ pos: [0, 0], size: [200, 100] }, { pos: [50, 170], size: [200, 100] }];
  assert.deepEqual(freePlace([0, 160], [200, 100], boxes), [0, 330]);
  assert.deepEqual(freePlace([500, 0], [200, 100], boxes), [500, 0]);
});

const run = (name, ...previews) => ({ name, previews: previews.map(([step, ...images]) => ({ step, images: images.map(([prompt, seed]) => ({ prompt, seed, file: `${name}-${step}-${prompt}` })) })) });

test("samples of several runs lie side by side by prompt and seed", () => {
  const one = run("one", [100, ["dog", 1], ["cat", 2]], [200, ["dog", 1], ["cat", 2]]);
  const two = run("two", [150, ["cat", 2], ["dog", 1]], [250, ["dog", 9]]);
  assert.deepEqual(stepsOf([one, two]), [100, 150, 200, 250]);
  const files = (step) => sideBySide([one, two], step).map((row) => [row.prompt, row.seed, ...row.cells.map((cell) => cell?.file ?? null)]);
  assert.deepEqual(files(100), [["dog", 1, "one-100-dog", null], ["cat", 2, "one-100-cat", null], ["dog", 9, null, null]]);
  assert.deepEqual(files(250), [["dog", 1, "one-200-dog", "two-150-dog"], ["cat", 2, "one-200-cat", "two-150-cat"], ["dog", 9, null, "two-250-dog"]]);
  assert.equal(sideBySide([two], 150)[1].cells[0].index, 1);
});

test("all settings of a run as a file", () => {
  const prompt = {
    1: { class_type: "CheckpointLoaderSimple", inputs: { ckpt_name: "sd15.safetensors" } },
    2: { class_type: "LoRACanvasLoadDataset", inputs: { folder: "dogs", repeats: 2, sub_folders: true } },
    3: { class_type: "LoRACanvasMergeDatasets", inputs: { a: ["2", 0], b: ["4", 0] } },
    4: { class_type: "LoRACanvasLoadDataset", inputs: { folder: "cats" } },
    5: { class_type: "LoRACanvasTrainLoRA", inputs: { model: ["1", 0], dataset: ["3", 0], steps: 100, resume: "old", odd: { x: 1 } } },
    6: { class_type: "LoRACanvasSaveLoRA", inputs: { lora: ["5", 2], filename: "dogs" } },
    7: { class_type: "KSampler", inputs: { model: ["5", 0], seed: 1 } },
    8: { class_type: "LoRACanvasOptimizer", inputs: { learning_rate: 1 } },
  };
  const { text, left } = settingsFile("fox", prompt, "5");
  assert.deepEqual(JSON.parse(text), { format: FORMAT, version: 1, name: "fox", nodes: {
    LoRACanvasTrainLoRA: { steps: 100 }, CheckpointLoaderSimple: { ckpt_name: "sd15.safetensors" }, LoRACanvasMergeDatasets: {},
    LoRACanvasLoadDataset: { folder: "dogs", repeats: 2, sub_folders: true }, LoRACanvasSaveLoRA: { filename: "dogs" } } });
  assert.equal(left, 1);
});

test("what deleting frees is said, and where the LoRA stays", () => {
  const size = { files: 12, bytes: 3 * 2 ** 30, lora: true, saved: [] };
  assert.match(deletionLines(size)[0], /frees 3\.0 GB \(files: 12\)/);
  assert.match(deletionLines(size)[1], /in this folder only, and goes too/);
  assert.match(deletionLines({ ...size, saved: [{ file: "fox.safetensors", bytes: 1 }] })[1], /models\/loras stays: fox\.safetensors/);
  assert.equal(deletionLines({ ...size, lora: false }).length, 1);
});

test("runs to choose from hold what a workflow says", () => {
  const index = [{ name: "new" }, { name: "old" }];
  assert.deepEqual(choices(index, ""), ["", "new", "old"]);
  assert.deepEqual(choices(index, "gone"), ["", "gone", "new", "old"]);
  assert.deepEqual(choices(index, "old"), ["", "new", "old"]);
});

/** A page whose tab is not looked at. */
function page(permission) {
  const listeners = {};
  const shown = [];
  const observers = [];
  class Notification {
    static permission = permission;
    static requestPermission = async () => permission;
    constructor(title, options) { shown.push({ title, ...options }); }
  }
  const document = { hidden: true, title: "ComfyUI", hasFocus: () => !document.hidden, querySelector: () => ({}), addEventListener: (name, work) => (listeners[name] = work) };
  const MutationObserver = class { constructor(work) { observers.push(work); } observe() {} disconnect() {} };
  return { document, Notification: permission ? Notification : undefined, MutationObserver, addEventListener: () => {}, focus() {}, listeners, shown, observers };
}

const ENDED = { run: "fox", reason: "finished", step: 80, total_steps: 80, seconds: 75 };

test("the end of a run is told only where that was asked for", async () => {
  globalThis.localStorage = { kept: {}, getItem: (key) => localStorage.kept[key] ?? null, setItem: (key, value) => (localStorage.kept[key] = value) };
  const it = page("granted");
  const notifier = makeNotifier(it);
  assert.equal(notifier.on, false);
  notifier.ended(ENDED);
  assert.deepEqual([it.shown, it.document.title], [[], "ComfyUI"]);
  assert.equal(await notifier.set(true), "on");
  notifier.ended(ENDED);
  assert.deepEqual(it.shown, [{ title: "fox: finished", body: "80 / 80 steps  ·  took 1:15", tag: "lora-canvas fox" }]);
  assert.equal(await notifier.set(false), "off");
});

test("without notifications the tab's title tells it until the tab is looked at", async () => {
  for (const permission of ["denied", undefined]) {
    const it = page(permission);
    const notifier = makeNotifier(it);
    assert.equal(await notifier.set(true), "title");
    notifier.ended(ENDED);
    assert.equal(it.document.title, "fox: finished – ComfyUI");
    it.document.title = "[100%] ComfyUI"; // ComfyUI writes it too
    it.observers.at(-1)();
    assert.equal(it.document.title, "fox: finished – ComfyUI");
    it.document.hidden = false;
    it.listeners.visibilitychange();
    assert.equal(it.document.title, "[100%] ComfyUI");
    notifier.ended(ENDED);
    assert.equal(it.document.title, "[100%] ComfyUI");
    await notifier.set(false);
  }
});

test("words for an end", () => {
  assert.equal(wordsOf({ ...ENDED, reason: "stopped: disk full", step: 90, seconds: null }).body, "90 steps");
  assert.equal(wordsOf({ ...ENDED, reason: "stopped: disk full" }).title, "fox: stopped: disk full");
});
