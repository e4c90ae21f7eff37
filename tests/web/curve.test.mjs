// Smoothing, aligning and ranges.
import assert from "node:assert/strict";
import { test } from "node:test";
import { align, robustRange, smooth } from "../../web/curve.mjs";
import { condense } from "../../web/sparkline.mjs";

test("smoothing starts at the first value and skips what is missing", () => {
  assert.deepEqual(smooth([2, 2, 2], 0.9).map((value) => Number(value.toFixed(9))), [2, 2, 2]);
  assert.deepEqual(smooth([1, null, 3], 0), [1, 1, 3]);
  assert.deepEqual(smooth([null, 1], 0.5), [null, 1]);
});

test("smoothing by hand", () => {
  // (0.5*0.5*1 + 0.5*3) / (0.5*0.5 + 0.5)
  assert.equal(smooth([1, 3], 0.5)[1], 1.75 / 0.75);
});

test("curves with other steps share one axis", () => {
  const [x, a, b] = align([{ x: [1, 2, 3], ys: [[10, 20, 30]] }, { x: [0, 2], ys: [[5, 6]] }]);
  assert.deepEqual(x, [0, 1, 2, 3]);
  assert.deepEqual(a, [null, 10, 20, 30]);
  assert.deepEqual(b, [5, null, 6, null]);
});

test("a table without steps becomes an empty column", () => {
  assert.deepEqual(align([{ x: [1, 2], ys: [[1, 2]] }, { x: [], ys: [[]] }]), [[1, 2], [1, 2], [null, null]]);
  assert.deepEqual(align([{ x: [], ys: [[]] }, { x: [], ys: [[]] }]), [[], [], []]);
});

test("one spike does not flatten the chart, but a smoothed curve is always inside", () => {
  const raw = Array.from({ length: 1000 }, (_, index) => 0.1 + (index % 10) / 100);
  raw[500] = 50;
  const [low, high] = robustRange([raw, [0.05, 0.3]], 0, 999);
  assert.equal(low, 0.05);
  assert.equal(high, 0.3);
  assert.equal(robustRange([[null, null]], 0, 1), null);
  assert.equal(robustRange([], 0, 1), null);
});

test("a small curve keeps its mean", () => {
  assert.deepEqual(condense([1, 3, null, 5], 2), [2, 5]);
  assert.deepEqual(condense([], 10), []);
});
