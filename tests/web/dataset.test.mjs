/** A data set that is edited: tags and filters, what is seen of the grid, and typing that is never lost. */
import assert from "node:assert/strict";
import { setTimeout as rest } from "node:timers/promises";
import test from "node:test";
import { Album } from "../../web/dataset/album.mjs";
import { maskSize } from "../../web/dataset/brush.mjs";
import { fitted } from "../../web/dataset/crop.mjs";
import { TILE, visible } from "../../web/dataset/grid.mjs";
import { captionersOf, promptFor, suggested } from "../../web/dataset/suggest.mjs";
import { countTags, filtered, tagsOf } from "../../web/dataset/tags.mjs";

const row = (name, caption, more = {}) => ({ name, caption, warnings: [], left_out: false, ...more });
const ROWS = () => [row("a.png", "dog, sofa"), row("b.png", "Dog,  beach", { warnings: [["cropped", 0.2]] }), row("c.png", "", { left_out: true })];

test("tags are counted by the pictures that have them", () => {
  assert.deepEqual(tagsOf(" a, b c,\n,d"), ["a", "b c", "d"]);
  assert.deepEqual(countTags([...ROWS(), row("d", "dog, dog"), row("e", "dog", { left_out: true })]), [["dog", 3], ["beach", 1], ["sofa", 1]]);
});

test("a filter lets through what it says", () => {
  const shown = (filter) => filtered(ROWS(), { text: "", tag: null, state: "", ...filter });
  assert.deepEqual(shown({}), [0, 1, 2]);
  assert.deepEqual(shown({ tag: "dog" }), [0, 1]);
  assert.deepEqual(shown({ text: "BEACH" }), [1]);
  assert.deepEqual(shown({ text: "c.png" }), [2]);
  assert.deepEqual([shown({ state: "left_out" }), shown({ state: "trained" }), shown({ state: "cropped" })], [[2], [0, 1], [1]]);
  assert.deepEqual(shown({ state: "warnings", tag: "sofa" }), []);
});

test("of ten thousand pictures only those that are seen are tiles", () => {
  const { columns, first, end, height, pitch, wide } = visible(10000, 1000, 600, 5000);
  assert.deepEqual([columns, pitch, height], [4, TILE.height + 8, 2500 * (TILE.height + 8)]);
  assert.equal(wide, 244); // 4 of them and 3 gaps are 1000
  assert.ok(first <= 18 * 4 && end >= 21 * 4 && end - first < 40);
  assert.ok(visible(10000, 8000, 8000, 0).end <= 200);
  assert.deepEqual([visible(3, 1000, 600, 0).end, visible(0, 10, 10, 0).height], [3, 0]);
});

test("sizes keep their shape", () => {
  assert.deepEqual(fitted([400, 100], { width: 200, height: 150 }), { width: "200px", height: "50px" });
  assert.deepEqual([maskSize([4096, 1024]), maskSize([100, 50])], [[2048, 512], [100, 50]]);
});

/** A server that holds the captions, and can be slow, away, or changed by somebody else. */
function makeServer() {
  const server = {
    texts: ROWS().map((one) => one.caption), asked: [], away: false, slow: 0, opened: 0,
    open: async () => ({ key: `k${++server.opened}`, folder: "f", rows: server.texts.map((text, index) => row(`${index}.png`, text)), told: [], undo: null }),
    async edit(key, what, body) {
      server.asked.push([what, body.text]);
      await rest(server.slow);
      if (server.away) throw new TypeError("away");
      if (key !== `k${server.opened}`) throw Object.assign(new Error("gone"), { status: 410 });
      if (what !== "caption") return { rows: {}, undo: what };
      if (![...body.before, body.text].includes(server.texts[body.index])) throw Object.assign(new Error("other"), { status: 409, content: { text: server.texts[body.index] } });
      server.texts[body.index] = body.text;
      return { rows: { [body.index]: { caption: body.text } }, undo: "x" };
    },
  };
  return server;
}

async function opened() {
  const server = makeServer();
  const album = new Album(server, 15);
  await album.open();
  return { server, album };
}

test("typing is saved once, after a rest", async () => {
  const { server, album } = await opened();
  for (const text of ["d", "do", "dot"]) album.type(0, text);
  assert.deepEqual([album.textOf(0), album.isSaved], ["dot", false]);
  for (let tries = 0; !album.isSaved && tries < 500; tries++) await rest(10);
  assert.deepEqual([server.texts[0], server.asked, album.isSaved, album.undoes], ["dot", [["caption", "dot"]], true, "x"]);
});

test("what is typed while a text is on its way comes after it, and a page that goes sends both", async () => {
  const { server, album } = await opened();
  server.slow = 30;
  album.type(0, "one");
  album.flush();
  album.type(0, "two");
  await album.flush();
  for (let tries = 0; !album.isSaved && tries < 500; tries++) await rest(10);
  assert.deepEqual([server.texts[0], album.conflicts.size, album.isSaved], ["two", 0, true]);
});

test("a caption that was changed elsewhere is not written over; both texts are kept until one is chosen", async () => {
  const { server, album } = await opened();
  server.texts[0] = "theirs";
  album.type(0, "mine");
  await album.flush();
  assert.deepEqual([server.texts[0], album.textOf(0), album.conflicts.get(0)], ["theirs", "mine", { mine: "mine", theirs: "theirs" }]);
  await album.settle(0, "mine");
  assert.deepEqual([server.texts[0], album.conflicts.size], ["mine", 0]);
  server.texts[1] = "theirs";
  album.type(1, "lost?");
  await album.flush();
  await album.settle(1, "theirs");
  assert.deepEqual([server.texts[1], album.textOf(1), album.isSaved], ["theirs", "theirs", true]);
});

test("a server that is away loses nothing, and one that was started again is asked anew", async () => {
  const { server, album } = await opened();
  server.away = true;
  album.type(0, "kept");
  await album.flush();
  assert.deepEqual([album.textOf(0), album.isSaved, album.trouble], ["kept", false, "away"]);
  server.away = false;
  server.opened = 7;
  await album.flush();
  assert.deepEqual([server.texts[0], album.key, album.trouble], ["kept", "k8", ""]);
});

test("anything else waits for what was typed", async () => {
  const { server, album } = await opened();
  album.type(0, "typed");
  await album.do("undo");
  assert.deepEqual(server.asked.map(([what]) => what), ["caption", "undo"]);
});

const SCHEMA = { required: { dataset: ["LORACANVAS_DATASET", {}], captioner: [["wd", "blip"], {}] },
  optional: { write_files: [["no", "new files"], { default: "no" }], max_tags: ["INT", { default: 0 }], only_pictures: ["STRING", { default: "" }] } };

test("a captioner is asked for the chosen pictures alone, with the settings of the node behind, and writes nothing", () => {
  const prompt = { 1: { class_type: "LoRACanvasLoadDataset", inputs: {} }, 3: { class_type: "Other", inputs: {} },
    2: { class_type: "LoRACanvasAutoCaption", inputs: { dataset: ["1", 0], captioner: "wd", write_files: "new files", max_tags: 9 } } };
  const made = promptFor(prompt, "1", { captioner: "blip", download: true, names: ["a.png", "b.png"] }, SCHEMA);
  assert.deepEqual(Object.keys(made), ["1", "suggest"]);
  assert.deepEqual(made.suggest.inputs, { dataset: ["1", 0], captioner: "blip", write_files: "no", max_tags: 9, only_pictures: "a.png\nb.png",
    download_model: true, existing_captions: "replace" });
  assert.deepEqual([captionersOf(SCHEMA), captionersOf({ required: { captioner: ["COMBO", { options: ["x"] }] } })], [["wd", "blip"], ["x"]]);
});

test("an answer is that of one's own prompt, and an error is told", async () => {
  const api = Object.assign(new EventTarget(), { clientId: "me", fetchApi: async () => ({ ok: true, json: async () => ({ prompt_id: "p" }) }) });
  const tell = (name, detail) => setTimeout(() => api.dispatchEvent(new CustomEvent(name, { detail })), 1);
  tell("executed", { prompt_id: "other", node: "suggest", output: { captions: [{ a: "no" }] } });
  tell("executed", { prompt_id: "p", node: "suggest", output: { captions: [{ a: "x" }] } });
  assert.deepEqual(await suggested(api, {}), { a: "x" });
  tell("execution_error", { prompt_id: "p", exception_message: "no model" });
  await assert.rejects(suggested(api, {}), /no model/);
});

test("a suggestion is taken or thrown away, and nothing is written before", async () => {
  const { server, album } = await opened();
  assert.equal(album.suggest({ "0.png": "better", "1.png": "worse", "2.png": "" }), 2);
  assert.deepEqual(server.asked, []);
  await album.decide(0, true);
  await album.decide(1, false);
  assert.deepEqual([server.texts.slice(0, 2), album.suggestions.size], [["better", "Dog,  beach"], 0]);
});
