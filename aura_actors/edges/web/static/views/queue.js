/*
 * Who waits, in which order, and why each of them does. Owns the words for a place in the queue; the reasons are the
 * server's own sentences.
 */
import { nowMs } from "../clock.js";
import { $, list, orEmpty, put } from "../dom.js";
import { removeFromQueue } from "../operate.js";
import { latest } from "../state.js";
import { bytes, count, duration } from "../words.js";

const SHOWN = 30;
const seen = new Map();

export function drawQueue({ queue, queuedJobs }) {
  orEmpty("queue", queue.length > 0, "Nobody waits.");
  put($("queue-count"), queuedJobs ? count(queuedJobs) : "");
  put($("queue-more"), queue.length > SHOWN ? `and ${count(queue.length - SHOWN)} more` : "");
  remember(queue);
  list($("queue"), "t-queued", queue.slice(0, SHOWN), (fields, place) => {
    put(fields.position, count(place.position));
    put(fields.job, place.jobId);
    put(fields.about, [place.kind, place.owner !== "anonymous" && place.owner, place.priority !== "normal" && place.priority]
      .filter(Boolean).join(" · "));
    put(fields.needs, `needs ${bytes(place.memoryBytes)}`);
    put(fields.waited, `waited ${duration((nowMs() - seen.get(place.jobId)) / 1_000)}`);
    put(fields.state, place.protected ? "room is kept for it" : place.attended ? "" : "nobody attends it now");
    list(fields.reasons, "t-text", place.reasons, (_, reason, item) => put(item, reason.text));
  }, { key: ({ jobId }) => jobId, made: (fields, place) => {
    const { jobId } = place();
    const waits = () => latest.admission.queue.some((each) => each.jobId === jobId);
    fields.remove.addEventListener("click", () => removeFromQueue(fields.remove, jobId, waits));
  } });
}

/** Since when each one waits, by the server's clock: the number that was sent grows old while nothing else happens. */
function remember(queue) {
  const here = new Set(queue.map(({ jobId }) => jobId));
  for (const jobId of seen.keys()) if (!here.has(jobId)) seen.delete(jobId);
  for (const place of queue) {
    if (place.told) continue;
    place.told = true;
    seen.set(place.jobId, nowMs() - 1_000 * place.waitedSeconds);
  }
}
