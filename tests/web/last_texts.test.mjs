import assert from "node:assert/strict";
import test from "node:test";
import { isInside, isNode, lastText, makeLastTexts, textOf } from "../../web/last_texts.mjs";

const DOCTOR = "LoRACanvasDatasetDoctor";
const ran = (id, text, { workflow = "w", type = DOCTOR } = {}) => ({
  prompt: [0, "p", { [id]: { class_type: type } }, workflow ? { extra_pnginfo: { workflow: { id: workflow } } } : {}, [id]],
  outputs: { [id]: { text: [text] } },
});
const onCanvas = (id, graph = { id: "w" }) => ({ id, comfyClass: DOCTOR, graph });

test("a result's text, however it is given", () => {
  assert.equal(textOf({ text: ["a", "b"] }), "a\nb");
  assert.equal(textOf({ text: "a" }), "a");
  assert.equal(textOf({ images: [] }), null);
  assert.equal(textOf(null), null);
});

test("the newest that this node of this workflow said", () => {
  const history = { 1: ran("7", "old"), 2: ran("7", "new"), 3: ran("8", "a neighbour's"), 4: ran("7", "elsewhere", { workflow: "x" }) };
  assert.equal(lastText(onCanvas(7), history), "new");
  assert.equal(lastText(onCanvas(9), history), null);
});

test("a canvas that was cleared had no id when it ran", () => {
  assert.equal(lastText(onCanvas(7), { 1: ran("7", "a", { workflow: "00000000-0000-0000-0000-000000000000" }) }), "a");
});

test("a script has no workflow; another kind of node under the number is another node", () => {
  assert.equal(lastText(onCanvas(7), { 1: ran("7", "a script's", { workflow: null }) }), "a script's");
  assert.equal(lastText(onCanvas(7), { 1: ran("7", "a caption", { type: "LoRACanvasCaptionPreview" }) }), null);
});

test("a node inside a subgraph is known by its path, its workflow by the outermost graph", () => {
  const root = { id: "w" };
  const inner = { id: "s", rootGraph: root };
  assert.equal(isNode(onCanvas(7, inner), "3:7"), true);
  assert.equal(isNode(onCanvas(7, { ...root, rootGraph: undefined }), "3:7"), false);
  assert.equal(lastText(onCanvas(7, inner), { 1: ran("3:7", "inside") }), "inside");
});

test("nodes of one workflow ask together; a server that is away has no texts", async () => {
  let asked = 0;
  const last = makeLastTexts({ fetchApi: async () => (asked++, { json: async () => ({ 1: ran("7", "a") }) }) });
  assert.deepEqual(await Promise.all([last(onCanvas(7)), last(onCanvas(7))]), ["a", "a"]);
  assert.equal(asked, 1);
  await last(onCanvas(7));
  assert.equal(asked, 2);
  assert.equal(await makeLastTexts({ fetchApi: async () => { throw new Error("gone"); } })(onCanvas(7)), null);
});

test("a node inside a subgraph, by the node that holds it", () => {
  const root = { id: "w" };
  const [outer, deeper, train] = [onCanvas(3, root), onCanvas(3, { id: "s", rootGraph: root }), { id: 6 }];
  assert.equal(isInside(outer, train, "3:6"), true);
  assert.equal(isInside(outer, train, "4:6"), false);
  assert.equal(isInside(outer, train, "3:7"), false);
  assert.equal(isInside(outer, train, "6"), false);
  assert.equal(isInside(outer, train, "9:3:6"), false);
  assert.equal(isInside(deeper, train, "9:3:6"), true);
});
