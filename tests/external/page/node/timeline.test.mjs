/* The page's memory: a fixed ring, in the order of time, with gaps where nothing is known. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Timeline } from "./static/timeline.js";
import { bytes, duration, percent, rate } from "./static/words.js";

test("the oldest moments make way, and the window shows the newest", () => {
  const line = new Timeline();
  for (let second = 1; second <= 5_000; second++) line.push(second * 1_000, { cpu: second });
  assert.equal(line.size, 1_000);
  assert.deepEqual(line.since(2_000, ["cpu"]), [[4_998_000, 4_999_000, 5_000_000], [4_998, 4_999, 5_000]]);
});

test("what is unknown is a gap and no zero", () => {
  const line = new Timeline();
  line.push(1, { cpu: 5 });
  line.push(2, { cpu: null, memory: 7 });
  assert.deepEqual(line.since(10, ["cpu", "memory", "gpu"]), [[1, 2], [5, null], [null, 7], [null, null]]);
  assert.deepEqual(line.summary(10, "gpu"), { average: null, peak: null });
});

test("a long silence is a gap too", () => {
  const line = new Timeline();
  line.push(1_000, { cpu: 5 }, 3_000);
  line.push(9_000, { cpu: 6 }, 3_000);
  assert.deepEqual(line.since(60_000, ["cpu"])[1], [5, null, 6]);
});

test("history goes between, and what was seen here wins", () => {
  const line = new Timeline();
  line.push(3, { cpu: 3 });
  line.push(4, { cpu: 4 });
  line.merge([[1, { cpu: 1 }], [2, { cpu: 2 }], [3, { cpu: 99 }]]);
  line.merge([[1, { cpu: 1 }]]);
  assert.deepEqual(line.since(10, ["cpu"]), [[1, 2, 3, 4], [1, 2, 3, 4]]);
});

test("the same moment twice is one; a clock set back far begins anew", () => {
  const line = new Timeline();
  line.push(100_000, { cpu: 1 });
  line.push(100_000, { cpu: 2 });
  line.push(99_000, { cpu: 2 });
  assert.deepEqual(line.since(1e6, ["cpu"]), [[100_000], [1]]);
  line.push(10_000, { cpu: 3 });
  assert.deepEqual(line.since(1e6, ["cpu"]), [[10_000], [3]]);
});

test("mean and peak are over the window alone", () => {
  const line = new Timeline();
  for (const [time, cpu] of [[1, 90], [10, 2], [11, 4]]) line.push(time, { cpu });
  assert.deepEqual(line.summary(5, "cpu"), { average: 3, peak: 4 });
});

test("numbers read well, and what is not known is n/a", () => {
  assert.deepEqual([0, 999, 1_000, 1_536, 25_276_514_304, -2_048, null].map(bytes),
    ["0\u00a0B", "999\u00a0B", "1.0\u00a0KiB", "1.5\u00a0KiB", "23.5\u00a0GiB", "\u22122.0\u00a0KiB", "n/a"]);
  assert.deepEqual([0, 59.4, 61, 3_600, 90_000, undefined].map(duration), ["0 s", "59 s", "1 min 1 s", "1 h", "1 d 1 h", "n/a"]);
  assert.deepEqual([percent(9.94), percent(99.5), percent(null), rate(null)], ["9.9\u2009%", "100\u2009%", "n/a", "n/a"]);
});
