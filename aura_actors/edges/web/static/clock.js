/*
 * The server's clock, as far as its frames tell: what is "in 5 min" there may not be by the clock here. Owns the
 * offset between the two, and when the last sample came in; refuses to know what was sampled.
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

/** A frame came in. The newest stamp sets the clock: a cached snapshot is older, and says nothing about it. */
export function heard(stamp) {
  const sentMs = stampMs(stamp);
  if (unheard || sentMs > nowMs()) [clockMs, heardAt, unheard] = [sentMs, performance.now(), false];
}

/** A sample came in. */
export function sampled(timestamp) {
  const timeMs = stampMs(timestamp);
  if (sampleMs && timeMs > sampleMs) periodMs = Math.min(60_000, timeMs - sampleMs);
  [sampleMs, sampledAt] = [timeMs, performance.now()];
}

/** Another server, with a clock of its own, or the same one again. */
export function newServer() {
  unheard = true;
}

export const period = () => periodMs;

/** Milliseconds since the newest sample came in, or null; and whether that is too long. */
export function age() {
  if (sampledAt === null) return { ageMs: null, stale: false };
  const ageMs = performance.now() - sampledAt;
  return { ageMs, stale: ageMs > Math.max(STALE_MS, 3 * periodMs) };
}
