/* The JavaScript feed client, against a socket and a clock of the test's own. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Feed, feedUrl, fullJitter } from "./static/aura-feed.js";
import { Socket, begin, look, now, pass } from "./world.mjs";

let frames, states;

beforeEach(() => {
  begin();
  [frames, states] = [[], []];
});

function feed(options = {}) {
  const made = new Feed({
    url: "ws://x/feed", topics: ["system", "alerts", "unheard-of"], recover: ["system"], now, random: () => 0.5,
    onFrame: (frame) => frames.push(frame.data.seq), onState: (state) => states.push(state), ...options,
  });
  made.start();
  return made;
}

test("it subscribes to what the server offers, and hands frames on", () => {
  feed();
  Socket.last.greet();
  Socket.last.snapshot(1);
  assert.deepEqual(Socket.last.sent, [{ type: "subscribe", topics: ["system", "alerts"], intervalMs: 1_000 }]);
  assert.deepEqual(frames, [1]);
  assert.deepEqual(states.map(({ state }) => state), ["connecting", "live"]);
});

test("a token is a subprotocol and not in the URL", () => {
  feed({ token: "s3cret" });
  assert.deepEqual(Socket.last.protocols, ["aura.v1", "bearer.s3cret"]);
  assert.ok(!Socket.last.url.includes("s3cret"));
});

test("a token that no subprotocol can carry goes encoded", () => {
  feed({ token: "q83v/Zm9v+A==" });
  assert.deepEqual(Socket.last.protocols, ["aura.v1", "bearer64.cTgzdi9abTl2K0E9PQ"]);
  feed({ token: "t\u00f6k\u20acn\u00bf\u00ff" });
  assert.deepEqual(Socket.last.protocols, ["aura.v1", "bearer64.dMO2a-KCrG7Cv8O_"]);
});

test("after a break it asks for what it missed", () => {
  feed();
  Socket.last.greet();
  Socket.last.snapshot(7);
  Socket.last.end(1006);
  pass(250);
  assert.equal(Socket.all.length, 2);
  Socket.last.greet();
  assert.deepEqual(Socket.last.sent[0].since, { system: { epoch: "e1", seq: 7 } });
});

test("another epoch is another story: nothing is asked for, and a small seq is news", () => {
  feed();
  Socket.last.greet();
  Socket.last.snapshot(7);
  Socket.last.end(1001);
  pass(250);
  Socket.last.greet("e2");
  assert.equal(Socket.last.sent[0].since, undefined);
  Socket.last.snapshot(1, "e2");
  assert.deepEqual(frames, [7, 1]);
});

test("a snapshot that was seen already is not handed on again", () => {
  feed();
  Socket.last.greet();
  Socket.last.snapshot(7);
  Socket.last.snapshot(7);
  assert.deepEqual(frames, [7]);
});

test("each failure doubles the bound of the wait, up to the cap, and chance takes from all of it", () => {
  assert.deepEqual([0, 1, 2, 3].map((attempt) => fullJitter(attempt, () => 1)), [500, 1_000, 2_000, 4_000]);
  assert.equal(fullJitter(50, () => 1), 30_000);
  assert.equal(fullJitter(3, () => 0), 0);
});

test("waits grow while the server is away, and begin anew after a healthy while", () => {
  feed();
  const waits = [];
  for (let i = 0; i < 3; i++) {
    Socket.last.end(1006);
    waits.push(states.at(-1).retryAt - now());
    pass(waits.at(-1));
  }
  assert.deepEqual(waits, [250, 500, 1_000]);
  Socket.last.greet();
  for (let i = 0; i < 11; i++) { pass(1_000); Socket.last.say({ type: "heartbeat" }); }
  Socket.last.end(1006);
  assert.equal(states.at(-1).retryAt - now(), 250);
});

test("a server that is full is left alone for longer", () => {
  feed();
  Socket.last.end(1013);
  assert.equal(states.at(-1).retryAt - now(), 5_250);
});

test("silence ends the connection, a heartbeat keeps it", () => {
  feed();
  Socket.last.greet();
  for (let i = 0; i < 4; i++) { pass(20_000); Socket.last.say({ type: "heartbeat" }); }
  assert.equal(states.at(-1).state, "live");
  pass(26_000);
  assert.equal(states.at(-1).reason, "silence");
  assert.ok(Socket.all[0].closed);
});

test("a server that does not say hello is given up", () => {
  feed();
  pass(10_100);
  assert.deepEqual([states[1].state, states[1].reason], ["waiting", "no hello"]);
});

test("a refused token waits for another one, and does not try again by itself", () => {
  const made = feed({ token: "wrong" });
  Socket.last.end(4401);
  pass(120_000);
  assert.equal(Socket.all.length, 1);
  assert.equal(states.at(-1).state, "unauthorized");
  made.setToken("right");
  assert.deepEqual(Socket.last.protocols, ["aura.v1", "bearer.right"]);
});

test("nobody looks: frames come slowly; somebody looks again: at once, without a wait", () => {
  feed();
  Socket.last.greet();
  look(true);
  assert.equal(Socket.last.sent.at(-1).intervalMs, 10_000);
  look(false);
  assert.equal(Socket.last.sent.at(-1).intervalMs, 1_000);
  Socket.last.end(1006);
  look(false);
  assert.equal(Socket.all.length, 2);
});

test("the limits of the server bound the interval", () => {
  feed({ intervalMs: 10 });
  Socket.last.greet("e1", { minIntervalMs: 200, maxIntervalMs: 60_000 });
  assert.equal(Socket.last.sent[0].intervalMs, 200);
});

test("what is no JSON is told and harms nothing", () => {
  const problems = [];
  feed({ onProblem: (problem) => problems.push(problem.detail) });
  Socket.last.greet();
  Socket.last.onmessage({ data: "{" });
  Socket.last.say({ type: "error", pointer: "/topics/0", detail: "no such topic" });
  Socket.last.snapshot(1);
  assert.equal(problems.length, 2);
  assert.deepEqual(frames, [1]);
});

test("stopped is stopped", () => {
  const made = feed();
  Socket.last.greet();
  made.stop();
  pass(120_000);
  look(false);
  assert.equal(Socket.all.length, 1);
  assert.equal(states.at(-1).state, "stopped");
});

test("the feed lies beside the page, below any path", () => {
  assert.equal(feedUrl("https://host/tools/aura/"), "wss://host/tools/aura/feed");
  assert.equal(feedUrl("http://host:8080/"), "ws://host:8080/feed");
});
