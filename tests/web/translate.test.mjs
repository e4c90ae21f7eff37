import assert from "node:assert/strict";
import test from "node:test";
import { loadTexts, setTexts, translated, translateWorkflow } from "../../web/translate.mjs";

const TEXTS = {
  workflows: { "How it learns": "如何学习", "Press Run.": "点击运行。" },
  messages: { "{} '{}' is not a folder.{}": "{0} '{1}' 不是文件夹。{2}", " Known: {}.": " 已有：{0}。" },
};

test("a message is found by its form, and so is what stands in its places", () => {
  setTexts(TEXTS);
  assert.equal(translated("folder 'a (b)' is not a folder. Known: c, d."), "folder 'a (b)' 不是文件夹。 已有：c, d。");
  assert.equal(translated("folder 'a' is not a folder. Known: c, d, but more"), "folder 'a' 不是文件夹。 Known: c, d, but more");
  assert.equal(translated("something else"), "something else");
});

test("several messages that stand behind one another are translated one by one", () => {
  setTexts({ messages: { "{} is empty. Type it.": "{0} 是空的。", "It ends.": "结束。" } });
  assert.equal(translated("folder is empty. Type it. It ends."), "folder 是空的。 结束。");
  assert.equal(translated("Nobody knows this. It ends. Nor this."), "Nobody knows this. 结束。 Nor this.");
  assert.equal(translated("v1.5 is empty. Type it."), "v1.5 是空的。");
});

test("titles and paragraphs of notes are translated, what somebody wrote stays", () => {
  setTexts(TEXTS);
  const graph = {
    groups: [{ title: "How it learns" }, { title: "Mine" }],
    nodes: [{ type: "MarkdownNote", title: "My note", widgets_values: ["## Press Run.\n\nMy own words."] }, { type: "KSampler", widgets_values: ["Press Run."] }],
  };
  translateWorkflow(graph);
  assert.deepEqual(graph.groups.map((group) => group.title), ["如何学习", "Mine"]);
  assert.deepEqual(graph.nodes[0], { type: "MarkdownNote", title: "My note", widgets_values: ["## 点击运行。\n\nMy own words."] });
  assert.deepEqual(graph.nodes[1].widgets_values, ["Press Run."]);
});

test("the server's texts of the page's language; without any, English", async () => {
  const api = { fetchApi: async () => ({ ok: true, json: async () => ({ zh: { loraCanvas: TEXTS } }) }) };
  await loadTexts(api, "zh-TW");
  assert.equal(translated(" Known: a."), " 已有：a。");
  await loadTexts(api, "en");
  assert.equal(translated(" Known: a."), " Known: a.");
});
