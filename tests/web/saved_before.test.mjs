import assert from "node:assert/strict";
import test from "node:test";
import { openAsByHand } from "../../web/saved_before.mjs";

/** A node as LiteGraph makes and configures it: values by place, of the widgets that are saved. */
function node() {
  const widgets = ["steps", "display", "resume_schedule", "memory"].map((name) => ({ name, value: name === "memory" ? "auto" : 0, serialize: name !== "display" }));
  const made = {
    widgets,
    heard: [],
    onConfigure(info) {
      made.heard.push(info);
      return 7;
    },
    configure(info) {
      widgets.filter((widget) => widget.serialize).forEach((widget, i) => {
        if (Array.isArray(info.widgets_values) && i < info.widgets_values.length) widget.value = info.widgets_values[i];
      });
      return made.onConfigure(info);
    },
  };
  openAsByHand(made);
  return made;
}

const memory = (made) => made.widgets.at(-1).value;

test("a new node is what its schema says", () => assert.equal(memory(node()), "auto"));

test("a node that was saved before the widget is by hand", () => {
  const made = node();
  assert.equal(made.configure({ widgets_values: [1500, "hold"] }), 7);
  assert.equal(memory(made), "by hand");
  assert.equal(made.heard.length, 1);
});

test("one that was saved with it is what it was saved as", () => {
  for (const value of ["auto", "least", "by hand"]) {
    const made = node();
    made.configure({ widgets_values: [1500, "hold", value] });
    assert.equal(memory(made), value);
  }
});

test("values by name count too, and a node without any stays as it is", () => {
  const named = node();
  named.configure({ widgets_values: { steps: 1500 } });
  assert.equal(memory(named), "by hand");
  const bare = node();
  bare.configure({});
  assert.equal(memory(bare), "auto");
});
