/*
 * What happened lately: alerts, crashes, dead letters, cleanups and decisions of admission, the newest first. Owns the
 * last few dozen of them, and the sentence for each; events of before the page was opened are not known to it.
 */
import { $, list, mark, orEmpty, put } from "../dom.js";
import { bytes, count, duration, plural, sentence, stampMs, sum, timeOfDay } from "../words.js";

const KEPT = 30;
const KEPT_DECISIONS = 10; // jobs come and go all day; they leave room for what is rare
const happened = [];
let number = 0;

/** What became of jobs and slots: the words for one, the word for several, and how bad it is. */
const OUTCOMES = {
  granted: ["was granted", "granted", "good"],
  refused: ["was refused", "refused", "near"],
  never: ["does not fit this machine", "too large", "high"],
  released: ["was released", "released", "good"],
  expired: ["ended: nobody renewed it", "expired", "near"],
  runtime: ["ended: its time was over", "over their time", "near"],
  exited: ["ended with its process", "ended with their process", "good"],
  disconnected: ["ended with its connection", "ended with their connection", "good"],
  revoked: ["was revoked", "revoked", "near"],
  draining: ["Draining: nothing new is admitted", "draining began", "near"],
  admitting: ["Jobs are admitted again", "draining ended", "good"],
};
const LEVELS = ["good", "near", "high"];

function decided({ counts, latest }) {
  const known = Object.keys(counts).map((outcome) => [outcome, ...(OUTCOMES[outcome] ?? [outcome, outcome, "near"])]);
  const level = LEVELS[Math.max(...known.map(([, , , each]) => LEVELS.indexOf(each)))];
  if (sum(Object.values(counts)) > 1) {
    return { text: known.map(([outcome, , word]) => `${count(counts[outcome])} ${word}`).join(", "), level };
  }
  const [{ key, detail }] = latest;
  return { text: [key, known[0][1]].filter(Boolean).join(" ") + (detail ? `: ${detail}` : ""), level };
}

const SENTENCES = {
  alerts: ({ text, clearedAt }) => ({ text: sentence(text), level: clearedAt ? "good" : "high" }),
  actors: ({ event, child, error, count: lost, retrySeconds }) => (event === "crashed"
    ? { text: `${child} crashed: ${error}${retrySeconds === null ? "" : `; again in ${duration(retrySeconds)}`}`, level: "high" }
    : { text: `${plural(lost, "message")} reached nobody`, level: "near" }),
  cleanup: ({ task, outcome, detail, dryRun, removed, freedBytes }) => (outcome === "done"
    ? { text: `${task} ${dryRun ? "would remove" : "removed"} ${plural(removed, "item")}, ${bytes(freedBytes)}`, level: "good" }
    : { text: `${task} ${outcome}${detail ? `: ${detail}` : ""}`, level: "near" }),
  admission: decided,
};

export function remember({ topic, ts, data }) {
  const say = SENTENCES[topic];
  if (say) keep({ topic, at: timeOfDay(stampMs(ts)), ...say(data) });
}

/** The page's own words, such as that the server was restarted. */
export function note(text, level = "near") {
  keep({ at: timeOfDay(Date.now()), text, level });
}

function keep(entry) {
  happened.unshift({ id: number++, ...entry });
  const decisions = happened.filter(({ topic }) => topic === "admission");
  if (decisions.length > KEPT_DECISIONS) happened.splice(happened.indexOf(decisions.at(-1)), 1);
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
