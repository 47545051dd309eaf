/*
 * The feed client: one WebSocket that stays connected. Owns connecting, full-jitter reconnection, subscribing again,
 * silence, visibility and the frames of the protocol; refuses to know what the data means or how it is shown.
 * No dependency, no build step:
 *
 *   import { Feed, feedUrl } from "./aura-feed.js";
 *   const feed = new Feed({ url: feedUrl(), topics: ["system"], onFrame: (frame) => console.log(frame.data) });
 *   feed.start();
 */

/** Longest wait before a reconnection, and the first one's upper bound, in milliseconds. */
const BACKOFF_CAP_MS = 30_000;
const BACKOFF_BASE_MS = 500;
/** A server that is full (1013), or found us too slow (4008), is left alone for at least this long. */
const BUSY_FLOOR_MS = 5_000;
/** A connection that lived this long was healthy: the next failure starts the backoff anew. */
const HEALTHY_MS = 10_000;
/** From opening the socket to `hello`. */
const HELLO_WITHIN_MS = 10_000;
/** Silence of this many heartbeat periods means a dead peer: browsers cannot see pings. */
const SILENT_HEARTBEATS = 2.5;

const CLOSE_NO_TOKEN = 4401;
const CLOSE_FORBIDDEN = 4403;
const BUSY_CODES = new Set([1013, 4008]);

/** The feed beside the page that asks: `wss://host/below/a/proxy/feed` for `https://host/below/a/proxy/`. */
export function feedUrl(base = location.href) {
  const url = new URL("feed", base);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}

/** Full jitter: anywhere between nothing and the exponential bound. `attempt` counts from 0; milliseconds. */
export function fullJitter(attempt, random = Math.random) {
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(attempt, 16));
}

/** A token as the name of a subprotocol, in which not every character may stand. */
function shown(token) {
  if (/^[\w!#$%&'*+\-.^`|~]+$/.test(token)) return `bearer.${token}`;
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return `bearer64.${btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`;
}

/**
 * What `onState` is given:
 *   {state: "connecting"}
 *   {state: "live", recovered}                 subscribed; frames flow. `recovered` tells by topic whether everything
 *                                              that was missed follows, in order
 *   {state: "waiting", retryAt, code, reason}  disconnected; `retryAt` is on `now`'s clock
 *   {state: "unauthorized", code}              4401 or 4403: waits for `setToken`
 *   {state: "stopped"}
 */
export class Feed {
  #options;
  #socket = null;
  #state = { state: "stopped" };
  #attempt = 0;
  #liveSince = null;
  #lastHeard = 0;
  #timer = null;
  #watchdog = null;
  #limits = {};
  #offered = [];
  #seen = new Map();
  #events = null;

  /**
   * @param {object} options
   * @param {string} options.url             ws: or wss:
   * @param {string[]} options.topics        those that the server does not offer are left out
   * @param {number} [options.intervalMs]    at most one frame per topic in this time
   * @param {number} [options.hiddenIntervalMs]  the same while nobody looks at the page
   * @param {string[]} [options.recover]     topics whose missed frames are wanted after a reconnection
   * @param {string|null} [options.token]    shown as a subprotocol, never in the URL
   * @param {() => number} [options.random]  from 0 to 1, for the jitter
   * @param {() => number} [options.now]     milliseconds that never go back
   * @param {(frame: {type: string, topic: string, epoch: string, seq: number, ts: any, data: any}) => void} [options.onFrame]
   * @param {(state: object) => void} [options.onState]
   * @param {(hello: {epoch: string, topics: string[], limits: object, ts?: string}) => void} [options.onHello]
   * @param {(problem: {pointer: string, detail: string}) => void} [options.onProblem]  the server refused a frame of ours
   */
  constructor(options) {
    this.#options = { intervalMs: 1_000, hiddenIntervalMs: 10_000, recover: [], token: null,
      random: Math.random, now: () => performance.now(), ...options };
  }

  get state() {
    return this.#state;
  }

  /** Connect, and stay connected until `stop`. Calling it again is harmless. */
  start() {
    if (this.#events) return;
    this.#events = new AbortController();
    const on = (target, name, does) => target?.addEventListener?.(name, does, { signal: this.#events.signal });
    on(globalThis.document, "visibilitychange", () => this.#visibilityChanged());
    on(globalThis, "online", () => this.retryNow());
    on(globalThis, "pagehide", () => this.#abandon()); // an open socket would keep the page out of the back cache
    on(globalThis, "pageshow", (event) => event.persisted && this.#connect());
    this.#connect();
  }

  stop() {
    this.#events?.abort();
    this.#events = null;
    this.#abandon();
    this.#become({ state: "stopped" });
  }

  /** Use this token from now on (null: none) and connect with it at once. */
  setToken(token) {
    this.#options.token = token;
    this.#attempt = 0;
    if (this.#events) this.#connect();
  }

  /** Do not sit out the rest of a wait. */
  retryNow() {
    if (this.#state.state === "waiting") this.#connect();
  }

  #become(state) {
    this.#state = state;
    this.#options.onState?.(state);
  }

  #connect() {
    this.#abandon();
    this.#become({ state: "connecting" });
    const { url, token } = this.#options;
    this.#socket = token ? new WebSocket(url, ["aura.v1", shown(token)]) : new WebSocket(url);
    const socket = this.#socket;
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#closed(event.code, event.reason);
    this.#timer = setTimeout(() => this.#drop("no hello"), HELLO_WITHIN_MS);
  }

  /** Forget the socket without waiting for its closing handshake, which a dead peer never answers. */
  #abandon() {
    clearTimeout(this.#timer);
    clearInterval(this.#watchdog);
    const socket = this.#socket;
    this.#socket = null;
    this.#liveSince = null;
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #drop(reason) {
    const liveSince = this.#liveSince;
    this.#abandon();
    this.#liveSince = liveSince;
    this.#closed(1006, reason);
  }

  #closed(code, reason) {
    const { now, random } = this.#options;
    const livedMs = this.#liveSince === null ? 0 : now() - this.#liveSince;
    this.#abandon();
    if (code === CLOSE_NO_TOKEN || code === CLOSE_FORBIDDEN) {
      this.#become({ state: "unauthorized", code });
      return;
    }
    if (livedMs >= HEALTHY_MS) this.#attempt = 0;
    const waitMs = fullJitter(this.#attempt++, random) + (BUSY_CODES.has(code) ? BUSY_FLOOR_MS : 0);
    this.#timer = setTimeout(() => this.#connect(), waitMs);
    this.#become({ state: "waiting", retryAt: now() + waitMs, code, reason });
  }

  #receive(text) {
    this.#lastHeard = this.#options.now();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      this.#options.onProblem?.({ pointer: "", detail: "the server sent a frame that is not JSON" });
      return;
    }
    switch (frame.type) {
      case "hello": return this.#greeted(frame);
      case "subscribed": return this.#subscribed(frame);
      case "snapshot":
      case "event": return this.#deliver(frame);
      case "error": return this.#options.onProblem?.(frame);
      default: return; // heartbeat, or a type of a newer server: having been heard is all it says
    }
  }

  #greeted(hello) {
    clearTimeout(this.#timer);
    this.#limits = hello.limits ?? {};
    this.#offered = hello.topics ?? [];
    for (const [topic, last] of this.#seen) if (last.epoch !== hello.epoch) this.#seen.delete(topic);
    const silenceMs = (this.#limits.heartbeatSeconds ?? 10) * 1_000 * SILENT_HEARTBEATS;
    this.#watchdog = setInterval(() => {
      if (this.#options.now() - this.#lastHeard > silenceMs) this.#drop("silence");
    }, 1_000);
    this.#options.onHello?.(hello);
    this.#subscribe();
  }

  #subscribe() {
    const { topics, intervalMs, hiddenIntervalMs, recover } = this.#options;
    const wanted = topics.filter((topic) => this.#offered.includes(topic));
    if (!wanted.length || this.#socket?.readyState !== WebSocket.OPEN) return;
    const asked = globalThis.document?.hidden ? Math.max(intervalMs, hiddenIntervalMs) : intervalMs;
    const { minIntervalMs = 1, maxIntervalMs = 60_000 } = this.#limits;
    const frame = {
      type: "subscribe",
      topics: wanted,
      intervalMs: Math.round(Math.min(maxIntervalMs, Math.max(minIntervalMs, asked))),
    };
    const known = recover.filter((topic) => this.#seen.has(topic) && wanted.includes(topic));
    if (known.length) frame.since = Object.fromEntries(known.map((topic) => [topic, this.#seen.get(topic)]));
    this.#socket.send(JSON.stringify(frame));
  }

  #subscribed({ recovered = {} }) {
    if (this.#liveSince !== null) return;
    this.#liveSince = this.#options.now();
    this.#become({ state: "live", recovered });
  }

  #deliver(frame) {
    const last = this.#seen.get(frame.topic);
    // Subscribing again repeats the newest snapshot. A smaller seq is news all the same: its counter began anew.
    if (last && last.epoch === frame.epoch && last.seq === frame.seq) return;
    this.#seen.set(frame.topic, { epoch: frame.epoch, seq: frame.seq });
    this.#options.onFrame?.(frame);
  }

  /** Hidden pages are served slowly; one that is looked at again is served at once. */
  #visibilityChanged() {
    if (!globalThis.document.hidden) this.retryNow();
    if (this.#liveSince !== null) this.#subscribe();
  }
}
