import assert from "node:assert/strict";
import test from "node:test";
import { foldAdvanced, refoldAll } from "../../web/folding.mjs";

const INPUT = { required: { folder: ["STRING", { default: "" }], repeats: ["INT", { default: 1, advanced: true }] }, optional: { masks: ["COMBO", { default: "none", advanced: true }] } };

/** A node as LiteGraph makes it; 24 units a row. */
function node(input = INPUT) {
  class Made {
    static nodeData = { input };
    size = [300, 500];
    widgets = Object.entries({ ...input.required, ...input.optional }).map(([name, [, { default: value }]]) => ({ name, value }));
    addWidget(type, name, value, callback, options) {
      this.widgets.push({ type, name, value, callback, options });
      return this.widgets.at(-1);
    }
    computeSize() {
      return [200, this.widgets.reduce((sum, widget) => sum + (widget.computeSize ? widget.computeSize()[1] + 4 : 24), 0)];
    }
    setSize(size) {
      this.size = size;
    }
  }
  const made = new Made();
  foldAdvanced(made);
  return made;
}
const hidden = (made) => made.widgets.filter((widget) => widget.hidden).map((widget) => widget.name);
const button = (made) => made.widgets.at(-1);

test("what need not be set is hidden and takes no room", () => {
  const made = node();
  assert.deepEqual(hidden(made), ["repeats", "masks"]);
  assert.deepEqual(made.size, [300, 2 * 24]);
});

test("the switch opens and closes, is behind all that is saved, and is not saved itself", () => {
  const made = node();
  assert.equal(button(made).serialize, false);
  assert.equal(button(made).label, "More settings (2)");
  button(made).callback();
  assert.deepEqual([made.showAdvanced, hidden(made), made.size[1]], [true, [], 4 * 24]);
  assert.equal(button(made).label, "Fewer settings");
  button(made).callback();
  assert.deepEqual([made.showAdvanced, hidden(made), made.size[1]], [false, ["repeats", "masks"], 2 * 24]);
});

test("a file says whether it is open, and what was changed is counted", () => {
  const open = node();
  open.showAdvanced = true;
  open.onConfigure({});
  assert.deepEqual(hidden(open), []);
  const closed = node();
  closed.widgets[1].value = 5;
  closed.onConfigure({});
  assert.match(button(closed).label, /1 set/);
});

test("what is wired stays, with its socket", () => {
  const made = node();
  made.inputs = [{ name: "repeats", widget: { name: "repeats" }, link: 3 }, { name: "masks", widget: { name: "masks" }, link: null }];
  made.onConnectionsChange();
  assert.deepEqual(hidden(made), ["masks"]);
  made.inputs[0].link = null;
  made.onConnectionsChange();
  assert.deepEqual(hidden(made), ["repeats", "masks"]);
});

test("Vue nodes have a switch of their own", () => {
  globalThis.LiteGraph = { vueNodesMode: true };
  const made = node();
  assert.deepEqual(hidden(made), []);
  globalThis.LiteGraph.vueNodesMode = false;
  refoldAll({ nodes: [{ subgraph: { nodes: [made] } }] });
  assert.deepEqual(hidden(made), ["repeats", "masks"]);
  delete globalThis.LiteGraph;
});

test("a node without any is left alone", () => {
  assert.equal(node({ required: { folder: ["STRING", { default: "" }] } }).widgets.length, 1);
});
