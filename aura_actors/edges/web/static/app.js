/*
 * The live page, put together: frames come in, views draw them, once per animation frame at most. Owns which view
 * draws which topic and when; refuses to know the wire (aura-feed.js) and what anything looks like (views/).
 */
import { Feed, feedUrl } from "./aura-feed.js";
import { drawBindings } from "./bindings.js";
import { greeted, heard, sampled } from "./clock.js";
import { $, put } from "./dom.js";
import { loadHistory } from "./history.js";
import { listen } from "./keys.js";
import { drain } from "./operate.js";
import { keepToken, scopes, token } from "./session.js";
import { gapMs, latest, moment, timeline, view } from "./state.js";
import { drawActors } from "./views/actors.js";
import { drawAdmission } from "./views/admission.js";
import { alertHappened, drawAlerts } from "./views/alerts.js";
import { drawCleanup } from "./views/cleanup.js";
import { drawConnection } from "./views/connection.js";
import { drawGpus } from "./views/gpus.js";
import { drawHappenings, note, remember } from "./views/happenings.js";
import { drawGroup, drawPressure } from "./views/pressure.js";
import { drawProviders } from "./views/providers.js";
import { drawQueue } from "./views/queue.js";
import { drawResources, summarize } from "./views/resources.js";

const TOPICS = ["system", "process", "utilization", "admission", "providers", "cleanup", "alerts", "actors"];
const VIEWS = {
  system: [summarize, drawResources, drawGpus, drawPressure, drawGroup],
  admission: [drawAdmission, drawQueue],
  providers: [drawProviders],
  cleanup: [drawCleanup],
  alerts: [drawAlerts],
  actors: [drawActors],
};
const WINDOWS_MS = [5 * 60_000, 15 * 60_000];
const AT_ONCE = { atMs: 0, pauseMs: 1_000 }; // when history that did not come is asked for again, and the pause then
const LONGEST_PAUSE_MS = 60_000;

let asked = false;
let epoch = null;
let missed = true; // the timeline lacks what happened while we were not connected
let again = AT_ONCE;
let unanswered = false; // what the token opens was asked, and nobody said

function redraw() {
  if (!asked) requestAnimationFrame(draw);
  asked = true;
}

function draw() {
  asked = false;
  drawConnection(feed.state);
  if (view.paused) return;
  for (const [topic, views] of Object.entries(VIEWS)) {
    if (latest[topic]) for (const show of views) show(latest[topic]);
  }
  drawHappenings();
  drawBindings();
}

function take(frame) {
  const { type, topic, ts, data } = frame;
  heard(ts);
  if (type === "event") {
    remember(frame);
    if (topic === "alerts") alertHappened(data);
  } else {
    latest[topic] = data;
    if (topic === "system") {
      sampled(data.timestamp, ts);
      timeline.push(...moment(data), gapMs());
      $("age").title = `sample ${data.seq} of ${data.timestamp}`;
      if (missed && performance.now() >= again.atMs) fill();
      if (unanswered) learnScopes();
    }
  }
  redraw();
}

const feed = new Feed({
  url: feedUrl(document.baseURI), topics: TOPICS, intervalMs: 1_000, token: token(),
  recover: ["system", "alerts", "cleanup"],
  onFrame: take,
  onHello: (hello) => {
    greeted(hello.ts);
    if (epoch !== null && epoch !== hello.epoch) note("The server was restarted.");
    epoch = hello.epoch;
  },
  onState: ({ state }) => {
    if (state === "live") {
      missed = true;
      again = AT_ONCE;
      learnScopes();
    }
    redraw();
  },
  onProblem: ({ pointer, detail }) => console.warn("feed:", pointer, detail),
});

async function fill() {
  missed = false;
  const { pauseMs } = again;
  if (await loadHistory()) {
    again = AT_ONCE;
    redraw();
    return;
  }
  missed = true; // with a later sample again
  again = { atMs: performance.now() + pauseMs, pauseMs: Math.min(2 * pauseMs, LONGEST_PAUSE_MS) };
}

async function learnScopes() {
  unanswered = false;
  const opened = await scopes();
  if (opened === null) {
    unanswered = true; // with the next sample again
    return;
  }
  view.operator = opened.includes("operate");
  document.body.toggleAttribute("data-operator", view.operator);
}

function pause() {
  view.paused = !view.paused;
  redraw();
}

function nextWindow() {
  view.windowMs = WINDOWS_MS[(WINDOWS_MS.indexOf(view.windowMs) + 1) % WINDOWS_MS.length];
  fill();
  redraw();
}

function giveToken(text) {
  keepToken(text);
  feed.setToken(text);
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  giveToken($("token").value.trim());
  $("token").value = "";
});
$("forget").addEventListener("click", () => { keepToken(null); location.reload(); });
$("pause").addEventListener("click", pause);
$("window").addEventListener("click", nextWindow);
$("drain").addEventListener("click", () => drain($("drain"), !latest.admission?.draining));
$("connection").addEventListener("click", () => feed.retryNow());
document.addEventListener("visibilitychange", () => { if (!document.hidden) fill(); });
setInterval(() => document.hidden || redraw(), 1_000);

listen([
  ["w", "show 5 or 15 minutes", nextWindow],
  ["p", "pause and go on", pause],
  ["r", "reconnect now", () => feed.retryNow()],
]);
put($("host"), location.host);
feed.start();
