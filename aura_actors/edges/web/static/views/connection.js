/*
 * How fresh the page is, and whether it still hears the server; the form where it needs a token. Owns the two badges
 * in the header and the form; refuses to know how the connection is kept (aura-feed.js).
 */
import { age } from "../clock.js";
import { $, hide, mark, put } from "../dom.js";
import { token } from "../session.js";
import { view } from "../state.js";
import { duration } from "../words.js";

const WORDS = { connecting: "connecting", live: "live", waiting: "reconnecting", unauthorized: "token needed", stopped: "stopped" };

export function drawConnection({ state, retryAt, code }) {
  const seconds = state === "waiting" ? Math.ceil((retryAt - performance.now()) / 1_000) : 0;
  const refused = state === "unauthorized";
  document.body.dataset.state = state;
  put($("connection-text"), WORDS[state]);
  put($("connection-wait"), seconds >= 1 ? `in ${seconds} s` : "");
  if ($("token-form").hidden === refused) {
    hide($("token-form"), !refused);
    if (refused) $("token").focus();
  }
  hide($("forget"), refused || token() === null);
  hide($("data-links"), refused || token() !== null);
  put($("token-error"), !refused || token() === null ? ""
    : code === 4403 ? "This token may not read here." : "This token was refused.");
  drawAge();
}

function drawAge() {
  const { ageMs, stale } = age();
  const level = ageMs === null ? "none" : stale ? "high" : "normal";
  mark($("age"), "data-level", level);
  document.body.dataset.data = level;
  put($("age"), ageMs === null ? "no data yet" : `data ${duration(ageMs / 1_000)} old`);
  mark($("pause"), "aria-pressed", String(view.paused));
  put($("pause"), view.paused ? "Paused" : "Pause");
  put($("window"), `${view.windowMs / 60_000} min`);
}
