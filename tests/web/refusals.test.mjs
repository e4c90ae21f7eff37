import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusals, refusalsOf, showNode } from "../../web/refusals.mjs";

const said = (widget, text) => ({ type: "custom_validation_failed", message: "Custom validation failed for node", details: `${widget} - ${text}`, extra_info: { input_name: widget } });
const ERRORS = {
  7: { class_type: "LoRACanvasLoadDataset", errors: [said("folder", "folder 'x' is not a folder."), said("mask_folder", "folder 'x' is not a folder.")] },
  8: { class_type: "LoRACanvasSamplePreview", errors: [{ type: "value_not_in_list", message: "Value not in list", details: "sampler_name: 'y'", extra_info: { input_name: "sampler_name" } }] },
  9: { class_type: "KSampler", errors: [said("seed", "no")] },
};
const TOLD = [{ node: "7", text: "folder 'x' is not a folder." }, { node: "8", text: "Value not in list: sampler_name: 'y'" }];

/** ComfyUI's api, which queues what `answer` gives. */
function makeApi(answer) {
  return Object.assign(new EventTarget(), { queuePrompt: async () => answer() });
}

const tell = (api, name, detail) => api.dispatchEvent(Object.assign(new Event(name), { detail }));

test("each sentence about our nodes is told once, without the widget that ComfyUI puts before it", () => {
  assert.deepEqual(refusalsOf(ERRORS), TOLD);
});

test("a refused prompt is told, and goes with the next one; whoever queued it hears of it all the same", async () => {
  let refused = true;
  const api = makeApi(() => {
    if (refused) throw Object.assign(new Error("refused"), { response: { node_errors: ERRORS } });
    return "queued";
  });
  const refusals = new Refusals();
  refusals.watch(api);
  await assert.rejects(api.queuePrompt(0, {}), /refused/);
  assert.deepEqual(refusals.list, TOLD);
  refused = false;
  assert.equal(await api.queuePrompt(0, {}), "queued");
  assert.deepEqual(refusals.list, []);
});

test("so is an error while it runs, if it is ours", () => {
  const api = makeApi(() => "queued");
  const refusals = new Refusals();
  refusals.watch(api);
  tell(api, "execution_error", { node_id: "3", node_type: "KSampler", exception_message: "other" });
  assert.deepEqual(refusals.list, []);
  tell(api, "execution_error", { node_id: "3", node_type: "LoRACanvasTrainLoRA", exception_message: "Train LoRA: no.\n" });
  assert.deepEqual(refusals.list, [{ node: "3", text: "Train LoRA: no." }]);
  tell(api, "execution_start", {});
  assert.deepEqual(refusals.list, []);
});

test("the button goes to the node, or to the one that holds it", () => {
  const shown = [];
  const graph = { getNodeById: (id) => ({ 5: "five", 12: "twelve" })[id] ?? null };
  const app = { graph, canvas: { graph, selectNode: (node) => shown.push(["selected", node]), centerOnNode: (node) => shown.push(["centred", node]) } };
  for (const id of ["5", "12:3", "99"]) showNode(app, id);
  assert.deepEqual(shown, [["selected", "five"], ["centred", "five"], ["selected", "twelve"], ["centred", "twelve"]]);
});
