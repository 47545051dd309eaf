/* The server's clock, which is not ours: how old a sample is, and what time it is there. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { age, greeted, heard, nowMs, sampled } from "./static/clock.js";
import { timeOfDay } from "./static/words.js";

let here = 1_000;
performance.now = () => here;
const there = (seconds) => new Date(Date.UTC(2020, 0, 1) + 1_000 * seconds).toISOString();
const seconds = () => Math.round((nowMs() - Date.UTC(2020, 0, 1)) / 1_000);

test("a sample that was old when it came in is as old as it is", () => {
  greeted(there(100));
  heard(there(60));
  sampled(there(59), there(60));
  assert.equal(age().ageMs, 41_000);
  here += 5_000;
  assert.equal(age().ageMs, 46_000);
  heard(there(105.5));
  sampled(there(105.5), there(105.5));
  assert.equal(age().ageMs, 0);
});

test("a server that does not tell the time is believed by its newest frame", () => {
  greeted(undefined);
  heard(there(400));
  heard(there(300));
  assert.equal(seconds(), 400);
});

test("a clock that is set back there is set back here", () => {
  greeted(there(1_000));
  for (const [sample, stamp] of [[1_000, 1_000], [701, 701], [702, 702]]) {
    heard(there(stamp));
    sampled(there(sample), there(stamp));
  }
  assert.deepEqual([seconds(), age()], [702, { ageMs: 0, stale: false }]);
});

test("the day begins at zero", () => {
  assert.equal(timeOfDay(new Date(2020, 0, 1, 0, 5).getTime()), "00:05:00");
});
