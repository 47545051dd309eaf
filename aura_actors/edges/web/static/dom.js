/*
 * The few ways in which the page touches its document: text through textContent, rows from templates, meters. Owns
 * what keeps this cheap (nothing is written that stands there already, rows are reused by key, so focus stays);
 * refuses to know what the words mean.
 */
import { known } from "./words.js";

export const $ = (id) => document.getElementById(id);

const rowsOf = new WeakMap();
const itemOf = new WeakMap();

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute; null takes it away. */
export function mark(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function hide(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/**
 * One copy of a template for each item, in the order of the items.
 * @param {(fields, item, element, index) => void} fill  `fields` are the parts of the copy by their data-f
 * @param {{key?: (item, index) => any, made?: (fields, item: () => any, element) => void}} [how]
 *   `made` is called once for each copy, with a function that gives the item that it shows at the time
 */
export function list(host, template, items, fill, { key = (_, index) => index, made } = {}) {
  const rows = rowsOf.get(host) ?? rowsOf.set(host, new Map()).get(host);
  const wanted = new Set();
  items.forEach((item, index) => {
    const name = key(item, index);
    wanted.add(name);
    let row = rows.get(name);
    if (!row) {
      const element = $(template).content.firstElementChild.cloneNode(true);
      const named = [element, ...element.querySelectorAll("[data-f]")].filter((part) => part.dataset.f);
      row = { element, fields: Object.fromEntries(named.map((part) => [part.dataset.f, part])) };
      rows.set(name, row);
      itemOf.set(element, item);
      made?.(row.fields, () => itemOf.get(element), element);
    }
    itemOf.set(row.element, item);
    if (host.children[index] !== row.element) host.insertBefore(row.element, host.children[index] ?? null);
    fill(row.fields, item, row.element, index);
  });
  for (const [name, { element }] of rows) {
    if (wanted.has(name)) continue;
    element.remove();
    rows.delete(name);
  }
}

/** A section's table or rows, or the sentence that stands there instead. */
export function orEmpty(name, any, sentence) {
  if ($(`${name}-table`)) hide($(`${name}-table`), !any);
  hide($(`${name}-empty`), any);
  put($(`${name}-empty`), sentence);
}

/** What a role=meter says, and its level: none, normal, near (10 points below the alert) or high. */
export function meter(element, value, text, alertAt = Infinity) {
  mark(element, "aria-valuenow", known(value) ? String(Math.round(value * 10) / 10) : null);
  mark(element, "aria-valuetext", text);
  const level = !known(value) ? "none" : value > alertAt ? "high" : value > alertAt - 10 ? "near" : "normal";
  mark(element, "data-level", level);
}

/** A copy of the template t-bar: a name, a value, a bar, and two remarks below. */
export function bar(fields, { name, value, label, fraction, alertAt, left = "", right = "", title = "" }) {
  for (const [field, text] of Object.entries({ name, value, left, right })) put(fields[field], text);
  mark(fields.name, "title", title || null);
  mark(fields.bar, "aria-label", label);
  meter(fields.bar, fraction, value, alertAt);
  fields.fill.style.width = `${Math.min(100, Math.max(0, fraction ?? 0))}%`;
}
