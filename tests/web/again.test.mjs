import assert from "node:assert/strict";
import { test } from "node:test";
import { watchAgain } from "../../web/again.mjs";

const MADE = { run: "fox", reason: "finished", step: 6 };

/** What is told of a prompt of these events. */
function told(...events) {
  const api = new EventTarget();
  const heard = [];
  watchAgain(api, (made) => heard.push(made.run));
  for (const [name, detail] of events) api.dispatchEvent(Object.assign(new Event(name), { detail }));
  return heard;
}

test("a prompt in which nothing had to be done is told", () => {
  const executed = ["executed", { node: "3", output: { lora_canvas: [MADE] } }];
  assert.deepEqual(told(["execution_start", {}], executed, ["executing", null], ["execution_success", {}]), ["fox"]);
  assert.deepEqual(told(["execution_start", {}], ["executing", "3"], executed, ["execution_success", {}]), [], "it has just been trained");
  assert.deepEqual(told(["execution_start", {}], executed, ["executing", "9"], ["execution_success", {}]), [], "a node behind had work");
});

test("so is one that was called again by a node that always runs", () => {
  const again = ["executed", { node: "3", output: { lora_canvas: [{ ...MADE, again: true }] } }];
  assert.deepEqual(told(["execution_start", {}], ["executing", "3"], again, ["execution_success", {}]), ["fox"]);
});

test("other nodes' results, and none, are left alone", () => {
  assert.deepEqual(told(["executed", { node: "1", output: null }], ["executed", { node: "1", output: { images: [] } }], ["execution_success", {}]), []);
});
