/*
 * The server's clock, as far as its frames tell: what is "in 5 min" there may not be by the clock here. Owns the
 * offset between the two, and how old the last sample is; refuses to know what was sampled.
 */
import { stampMs } from "./words.js";

const STALE_MS = 3_000;
let clockMs = 0;
let unheard = true;
let heardAt = 0;
let sampledAt = null;
let periodMs = 1_000;
let sampleMs = 0;

/** Now, by the server's wall clock, in milliseconds. */
export const nowMs = () => clockMs + performance.now() - heardAt;

/** Seconds from now to the stamp; negative for the past. */
export const secondsTo = (stamp) => (stampMs(stamp) - nowMs()) / 1_000;

/** A server greets: its clock now, unless it is too old to tell. */
export function greeted(stamp) {
  unheard = stamp === undefined;
  if (!unheard) set(stampMs(stamp));
}

/** A frame came in. The newest stamp sets the clock: a cached snapshot is older, and says nothing about it. */
export function heard(stamp) {
  const sentMs = stampMs(stamp);
  if (unheard || sentMs > nowMs()) set(sentMs);
  unheard = false;
}

/** A sample came in, of that time, in a frame of that time. One from before the last: the clock there was set back. */
export function sampled(timestamp, stamp) {
  const timeMs = stampMs(timestamp);
  if (timeMs < sampleMs) set(stampMs(stamp));
  if (sampleMs && timeMs > sampleMs) periodMs = Math.min(60_000, timeMs - sampleMs);
  [sampleMs, sampledAt] = [timeMs, performance.now()];
}

function set(ms) {
  [clockMs, heardAt] = [ms, performance.now()];
}

export const period = () => periodMs;

/** How old the newest sample is, in milliseconds, or null; and whether that is too old. It may have been old already
 * when it came in, and is never younger than that. */
export function age() {
  if (sampledAt === null) return { ageMs: null, stale: false };
  const ageMs = Math.max(performance.now() - sampledAt, nowMs() - sampleMs);
  return { ageMs, stale: ageMs > Math.max(STALE_MS, 3 * periodMs) };
}
