/*
 * The keyboard: one key for each thing, told on `?`. Owns the table of keys and the help that is made from it; refuses
 * to act while somebody types, or holds a modifier.
 */
import { $, list, put } from "./dom.js";

const SECTIONS = [["1", "resources", "Resources"], ["2", "admission", "Admission"], ["3", "queue-card", "Queue"],
  ["4", "cleanup-card", "Cleanup"], ["5", "actors-card", "Actors"], ["6", "happenings-card", "Recently"]];

function jump(id) {
  const section = $(id);
  section.scrollIntoView({ block: "start", behavior: "auto" });
  section.focus({ preventScroll: true });
}

/** `actions` are [key, words, function]. */
export function listen(actions) {
  const help = () => ($("help").open ? $("help").close() : $("help").showModal());
  const keys = [
    ["?", "this help", help],
    ...SECTIONS.map(([key, id, words]) => [key, `go to ${words}`, () => jump(id)]),
    ...actions,
  ];
  const bound = new Map(keys.map(([key, , does]) => [key, does]));
  list($("keys"), "t-key", [...keys, ["Esc", "close what is open"]], (fields, [key, words]) => {
    put(fields.key, key);
    put(fields.words, words);
  });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.matches?.("input, textarea, select") || $("confirm").open) return;
    const does = bound.get(event.key);
    if (!does || ($("help").open && event.key !== "?")) return;
    event.preventDefault();
    does();
  });
  $("help-button").addEventListener("click", help);
  $("help-close").addEventListener("click", () => $("help").close());
}
