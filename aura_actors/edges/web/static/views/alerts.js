/*
 * What is exceeded now, across the top of the page; and for a while what no longer is, so that a short peak is seen.
 */
import { secondsTo } from "../clock.js";
import { $, hide, list, mark, put } from "../dom.js";
import { duration, sentence } from "../words.js";

const SHOWN_AFTER_SECONDS = 60;
const NAME = document.title;
const cleared = new Map();

/** An event of the topic. */
export function alertHappened(alert) {
  if (alert.clearedAt) cleared.set(alert.name, alert);
  else cleared.delete(alert.name);
}

export function drawAlerts({ active }) {
  const title = active.length ? `(${active.length}) ${NAME}` : NAME;
  if (document.title !== title) document.title = title;
  for (const [name, alert] of cleared) {
    if (-secondsTo(alert.clearedAt) > SHOWN_AFTER_SECONDS) cleared.delete(name);
  }
  const shown = [...active, ...[...cleared.values()].filter(({ name }) => !active.some((each) => each.name === name))];
  hide($("alerts"), !shown.length);
  list($("alerts"), "t-alert", shown, (fields, alert, item) => {
    mark(item, "data-cleared", String(Boolean(alert.clearedAt)));
    put(fields.text, sentence(alert.text));
    put(fields.since, alert.clearedAt ? `over for ${duration(-secondsTo(alert.clearedAt))}`
      : `for ${duration(-secondsTo(alert.raisedAt))}`);
  }, { key: ({ name }) => name });
}
