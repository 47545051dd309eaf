/*
 * The supervision tree, flattened into rows that are set in by depth. Owns nothing else.
 */
import { secondsTo } from "../clock.js";
import { $, list, mark, orEmpty, put } from "../dom.js";
import { count, duration } from "../words.js";

export function drawActors({ root, deadLetters }) {
  const flat = (node, depth, path) => [{ node, depth, path },
    ...node.children.flatMap((child) => flat(child, depth + 1, `${path}/${child.name}`))];
  const rows = flat(root, 0, root.name);
  orEmpty("actors", rows.length > 0, "");
  put($("actors-lost"), deadLetters ? `${count(deadLetters)} dead letters` : "");
  list($("actors"), "t-actor", rows, (fields, { node: { name, state, restarts, mailbox, lastCrash }, depth }) => {
    fields.name.parentNode.style.setProperty("--depth", String(depth));
    put(fields.name, name);
    put(fields.crash, lastCrash ? `${duration(-secondsTo(lastCrash.at))} ago: ${lastCrash.error}` : "");
    put(fields.state, state);
    mark(fields.state, "data-state", state);
    put(fields.restarts, count(restarts));
    put(fields.waiting, mailbox ? `${count(mailbox.depth)} / ${count(mailbox.capacity)}` : "");
    put(fields.handled, mailbox ? count(mailbox.handled) : "");
  }, { key: ({ path }) => path });
}
