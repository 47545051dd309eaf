/*
 * What happened lately: alerts, crashes, dead letters and cleanups, the newest first. Owns the last few dozen of them,
 * and the sentence for each; events of before the page was opened are not known to it.
 */
import { $, list, mark, orEmpty, put } from "../dom.js";
import { bytes, count, duration, plural, sentence, stampMs, timeOfDay } from "../words.js";

const KEPT = 30;
const happened = [];
let number = 0;

const SENTENCES = {
  alerts: ({ text, clearedAt }) => ({ text: sentence(text), level: clearedAt ? "good" : "high" }),
  actors: ({ event, child, error, count: lost, retrySeconds }) => (event === "crashed"
    ? { text: `${child} crashed: ${error}${retrySeconds === null ? "" : `; again in ${duration(retrySeconds)}`}`, level: "high" }
    : { text: `${plural(lost, "message")} reached nobody`, level: "near" }),
  cleanup: ({ task, outcome, detail, dryRun, removed, freedBytes }) => (outcome === "done"
    ? { text: `${task} ${dryRun ? "would remove" : "removed"} ${plural(removed, "item")}, ${bytes(freedBytes)}`, level: "good" }
    : { text: `${task} ${outcome}${detail ? `: ${detail}` : ""}`, level: "near" }),
};

export function remember({ topic, ts, data }) {
  const say = SENTENCES[topic];
  if (!say) return;
  happened.unshift({ id: number++, at: timeOfDay(stampMs(ts)), ...say(data) });
  happened.length = Math.min(happened.length, KEPT);
}

/** The page's own words, such as that the server was restarted. */
export function note(text, level = "near") {
  happened.unshift({ id: number++, at: timeOfDay(Date.now()), text, level });
  happened.length = Math.min(happened.length, KEPT);
}

export function drawHappenings() {
  orEmpty("happenings", happened.length > 0, "Nothing since this page was opened.");
  put($("happenings-count"), happened.length ? count(happened.length) : "");
  list($("happenings"), "t-happened", happened, (fields, { at, text, level }, item) => {
    put(fields.at, at);
    put(fields.text, text);
    mark(item, "data-level", level);
  }, { key: ({ id }) => id });
}
