// Pictures brought in: what was dropped, as paths, and sending it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { filesOfDrop, filesOfInput, holdsFiles, nameFor, rooted } from "../../web/bring/dropped.mjs";
import { attachBring, setFolder } from "../../web/bring/node.mjs";
import { upload } from "../../web/bring/upload.mjs";

const fileEntry = (name) => ({ isFile: true, name, file: (done) => done({ name, size: name.length }) });

/** A folder that a browser reads in parts of two. */
function folderEntry(name, inner) {
  return { isFile: false, name, createReader() {
    const left = [...inner];
    return { readEntries: (done) => done(left.splice(0, 2)) };
  } };
}

const drop = (...entries) => ({ types: ["Files"], items: entries.map((entry) => ({ kind: "file", webkitGetAsEntry: () => entry })), files: [] });

test("a dropped folder is all that is in it", async () => {
  const inner = [fileEntry("a.png"), fileEntry("a.txt"), folderEntry("10_пёс", [fileEntry("b.png"), fileEntry("c.png"), fileEntry(".DS_Store")])];
  const given = await filesOfDrop(drop(folderEntry("小狗", inner)));
  assert.deepEqual(given.map(({ path }) => path), ["小狗/a.png", "小狗/a.txt", "小狗/10_пёс/b.png", "小狗/10_пёс/c.png", "小狗/10_пёс/.DS_Store"]);
  const { folder, files } = rooted(given);
  assert.deepEqual([folder, files.map(({ path }) => path)], ["小狗", ["a.png", "a.txt", "10_пёс/b.png", "10_пёс/c.png"]]);
});

test("dropped pictures have no folder, nor have two folders", async () => {
  const one = rooted(await filesOfDrop(drop(fileEntry("a.png"), fileEntry("b.png"))));
  assert.deepEqual([one.folder, one.files.length], ["", 2]);
  const two = rooted(await filesOfDrop(drop(folderEntry("a", [fileEntry("1.png")]), folderEntry("b", [fileEntry("1.png")]))));
  assert.deepEqual([two.folder, two.files.map(({ path }) => path)], ["", ["a/1.png", "b/1.png"]]);
  const old = await filesOfDrop({ items: [], files: [{ name: "x.png" }] });
  assert.deepEqual(old.map(({ path }) => path), ["x.png"]);
});

test("a chosen folder keeps its paths; names are such as every system takes", () => {
  assert.deepEqual(filesOfInput([{ name: "a.png", webkitRelativePath: "dogs/a.png" }, { name: "b.png", webkitRelativePath: "" }]).map(({ path }) => path), ["dogs/a.png", "b.png"]);
  assert.equal(nameFor("my: dog?"), "my_ dog_");
  assert.equal(nameFor("Мои собаки"), "Мои собаки");
  assert.equal(nameFor(" ..", new Date(2026, 2, 4)), "pictures_2026-03-04");
});

test("only files are taken from a drag", () => {
  assert.deepEqual([holdsFiles({ types: ["Files"] }), holdsFiles({ types: ["text/plain"] }), holdsFiles(null)], [true, false, false]);
});

const sizes = (...all) => all.map((size, index) => ({ path: `${index}.png`, file: { size } }));

test("sending tells how far it is, never more than there is", async () => {
  const said = [];
  const sent = [];
  const send = async ({ path, file }, moved) => {
    moved(file.size + 99); // a request counts its own head
    sent.push(path);
  };
  const count = await upload(sizes(10, 20, 30, 40), send, (progress) => said.push(progress), new AbortController().signal);
  assert.equal(count, 4);
  assert.deepEqual(sent.sort(), ["0.png", "1.png", "2.png", "3.png"]);
  assert.deepEqual(said.at(-1), { files: 4, bytes: 100 });
  assert.ok(said.every(({ bytes }) => bytes <= 100));
});

test("at most three are on the way, and a stop ends it at once", async () => {
  const stopping = new AbortController();
  let open = 0;
  let most = 0;
  const send = (_, __, signal) => new Promise((resolve, reject) => {
    most = Math.max(most, ++open);
    signal.addEventListener("abort", () => reject(new Error("stopped")));
    if (open === 3) setTimeout(() => stopping.abort(), 5);
  });
  assert.equal(await upload(sizes(1, 1, 1, 1, 1), send, () => {}, stopping.signal), 0);
  assert.equal(most, 3);
  assert.equal(await upload(sizes(1), () => assert.fail(), () => {}, stopping.signal), 0);
});

test("a failure ends it and says how many came through", async () => {
  let asked = 0;
  const send = async () => {
    asked += 1;
    await new Promise((resolve) => setTimeout(resolve, asked * 5));
    if (asked > 1 && open++ === 1) throw new Error("disk full");
  };
  let open = 0;
  await assert.rejects(upload(sizes(...Array(50).fill(1)), send, () => {}, new AbortController().signal), (error) => error.message === "disk full" && error.sent >= 1 && error.sent < 50);
  assert.ok(asked < 50);
});

function datasetNode() {
  const steps = [];
  const graph = { beforeChange: () => steps.push("before"), afterChange: () => steps.push("after") };
  const node = { graph, inputs: [], widgets: [{ name: "folder", value: "", callback: (value) => steps.push(value) }],
    addWidget: (type, name, value, callback, options) => node.widgets[node.widgets.push({ type, name, value, callback, options }) - 1] };
  return { node, steps };
}

test("the folder is set as one step of undo", () => {
  const { node, steps } = datasetNode();
  setFolder(node, "dogs");
  assert.deepEqual([node.widgets[0].value, steps], ["dogs", ["before", "dogs", "after"]]);
});

test("the node takes files, but none when its folder is wired, and leaves other drops to others", () => {
  const { node } = datasetNode();
  attachBring(node, { server: { inputs: () => new Promise(() => {}) }, tell: () => assert.fail() });
  const files = { dataTransfer: drop(fileEntry("a.png")) };
  assert.deepEqual([node.onDragOver(files), node.onDragOver({ dataTransfer: { types: ["text/plain"] } })], [true, false]);
  assert.equal(node.onDragDrop(files), true);
  assert.equal(node.onDragDrop({ dataTransfer: { types: ["text/plain"] } }), false);
  assert.equal(node.widgets.at(-1).serialize, false);
  node.inputs = [{ name: "folder", link: 3 }];
  assert.deepEqual([node.onDragOver(files), node.onDragDrop(files)], [false, false]);
});
