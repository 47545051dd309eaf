/*
 * Fills the timeline with what happened before the page was opened, or while nobody looked. Owns what is asked for
 * (GET api/metrics/history) and how dense it is kept; refuses to know who draws it.
 */
import { ask } from "./session.js";
import { nowMs } from "./clock.js";
import { gapMs, moment, timeline, view } from "./state.js";
import { stampMs } from "./words.js";

/** A sampler may be faster than this; nobody sees more points than that. */
const EVERY_MS = 900;
let asking = null;

/** Ask for the window that is shown, as far as the timeline lacks it. Gives false where that was not possible. */
export function loadHistory() {
  asking ??= load().finally(() => { asking = null; });
  return asking;
}

async function load() {
  const since = new Date(nowMs() - view.windowMs).toISOString();
  const answer = await ask("GET", `api/metrics/history?topic=system&since=${encodeURIComponent(since)}`);
  if (!answer.ok) return false;
  const moments = [];
  let before = -Infinity;
  for (const { data } of answer.body.entries) {
    const timeMs = stampMs(data.timestamp);
    if (timeMs - before < EVERY_MS) continue;
    moments.push(moment(data));
    before = timeMs;
  }
  timeline.merge(moments, gapMs());
  return true;
}
