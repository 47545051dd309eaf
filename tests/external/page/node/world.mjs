/* A browser of a test's own: a socket that the test answers, and a clock that stands until the test moves it. */
export class Socket {
  static OPEN = 1;
  static all = [];
  static get last() { return Socket.all.at(-1); }

  readyState = 1;
  sent = [];

  constructor(url, protocols = []) {
    Object.assign(this, { url, protocols });
    Socket.all.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.closed = true; }

  say(frame) { this.onmessage?.({ data: JSON.stringify(frame) }); }
  end(code, reason = "") { this.onclose?.({ code, reason }); }

  greet(epoch = "e1", limits = { heartbeatSeconds: 10, minIntervalMs: 1_000, maxIntervalMs: 60_000 }) {
    this.say({ type: "hello", epoch, topics: ["system", "alerts"], limits });
    this.say({ type: "subscribed", topics: ["system", "alerts"], recovered: {} });
  }

  snapshot(seq, epoch = "e1") { this.say({ type: "snapshot", topic: "system", epoch, seq, ts: "", data: { seq } }); }
}

let nowMs = 0;
let timers = new Map();
let number = 0;
export const now = () => nowMs;

/** Let time pass: what is due is called in the order in which it is due. */
export function pass(ms) {
  const end = nowMs + ms;
  for (;;) {
    const [id, next] = [...timers].reduce((a, b) => (b[1].at < a[1].at ? b : a), [null, { at: Infinity }]);
    if (next.at > end) break;
    nowMs = next.at;
    if (next.every) next.at += next.every;
    else timers.delete(id);
    next.does();
  }
  nowMs = end;
}

const later = (does, ms, every) => timers.set(++number, { at: nowMs + ms, does, every }) && number;

export function begin() {
  Socket.all = [];
  [nowMs, timers] = [0, new Map()];
  Object.assign(globalThis, {
    WebSocket: Socket,
    document: Object.assign(new EventTarget(), { hidden: false }),
    setTimeout: (does, ms) => later(does, ms),
    setInterval: (does, ms) => later(does, ms, ms),
    clearTimeout: (id) => timers.delete(id),
    clearInterval: (id) => timers.delete(id),
  });
}

export function look(hidden) {
  globalThis.document.hidden = hidden;
  globalThis.document.dispatchEvent(new Event("visibilitychange"));
}
