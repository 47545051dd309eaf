/*
 * Plain values that index.html names: data-value="system.cpu.overallUsagePercent" data-as="percent", and dials:
 * data-meter="…" data-alert="cpu". Owns finding them once and writing them; refuses to know what they mean.
 */
import { latest, threshold } from "./state.js";
import { mark, meter, put } from "./dom.js";
import * as words from "./words.js";
import { secondsTo } from "./clock.js";

const bound = [...document.querySelectorAll("[data-value]")];
const dials = [...document.querySelectorAll("[data-meter]")];
const collected = [...document.querySelectorAll("[data-collector]")];

const at = (path) => path.split(".").reduce((value, key) => value?.[key], latest);

/** A dial shows a percentage: the arc, its level, and the same for assistive technology. */
export function dial(element, value, alertAt) {
  meter(element, value, words.percent(value), alertAt);
  const arc = element.querySelector(".arc");
  arc.style.strokeDasharray = `${Math.min(100, Math.max(0, value ?? 0))} 100`;
  arc.style.opacity = value > 0.3 ? "1" : "0"; // a round cap would show a dot for nothing
}

export function drawBindings() {
  for (const element of bound) put(element, words[element.dataset.as](at(element.dataset.value)));
  for (const element of dials) dial(element, at(element.dataset.meter), threshold(element.dataset.alert));
  for (const card of collected) { // a collector that fails leaves its last values standing: say how old they are
    const since = latest.system?.stale?.[card.dataset.collector];
    mark(card, "data-stale", since ? "true" : null);
    put(card.querySelector(".stale"), since ? `${words.duration(-secondsTo(since))} old` : "");
  }
}
