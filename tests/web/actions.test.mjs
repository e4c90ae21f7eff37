// What the panel's buttons do, with ComfyUI's app and server as small fakes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makeActions } from "../../web/actions.mjs";

/** An older frontend, whose toasts have only `add`. */
function older() {
  const shown = [];
  return { shown, app: { extensionManager: { toast: { add: (message) => shown.push(message) } } } };
}

/** A newer one, which has a function for each severity, and calls `add` deprecated. */
function newer() {
  const shown = [];
  const show = (severity) => (summary, { description, duration }) => shown.push({ severity, summary, detail: description, life: duration });
  const add = () => assert.fail("toast.add is deprecated");
  return { shown, app: { extensionManager: { toast: { add, info: show("info"), error: show("error") } } } };
}

const session = { refresh: async () => {} };

for (const [name, frontend] of [["older", older], ["newer", newer]]) {
  test(`an ${name} frontend shows what happened`, async () => {
    const { shown, app } = frontend();
    const actions = makeActions(app, session, { control: async () => {} });
    await actions.command("r", "stop");
    assert.equal(shown[0].severity, "info");
    assert.ok(shown[0].summary && shown[0].detail && shown[0].life === 4000);
  });

  test(`an ${name} frontend shows what went wrong`, async () => {
    const { shown, app } = frontend();
    const failing = async () => {
      throw new Error("the server is away");
    };
    await makeActions(app, session, { control: failing }).command("r", "stop");
    assert.deepEqual([shown[0].severity, shown[0].detail, shown[0].life], ["error", "the server is away", 8000]);
  });
}

test("resume queues what was queued, on the node that trains", async () => {
  const queued = [];
  const prompt = { 5: { class_type: "LoRACanvasTrainLoRA", inputs: { resume: "" } } };
  const server = { graph: async () => ({ prompt, workflow: {}, node: "5" }), queue: async (/** @type {any} */ sent) => queued.push(sent) };
  await makeActions(older().app, session, server).resume("r");
  assert.equal(queued[0][5].inputs.resume, "r");
});

test("a node that expands into Train LoRA has no resume to set", async () => {
  const { shown, app } = older();
  const server = { graph: async () => ({ prompt: { 5: { class_type: "Expands", inputs: {} } }, workflow: {}, node: "5" }), queue: () => assert.fail() };
  await makeActions(app, session, server).resume("r");
  assert.equal(shown[0].severity, "error");
});
