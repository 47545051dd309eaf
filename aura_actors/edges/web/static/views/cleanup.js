/*
 * Every cleanup task: when it runs, what it did last, how far it is now, and its report. Owns the words for all of
 * that and which report is open; what the server does not tell yet (progress, quarantine) is left out.
 */
import { secondsTo } from "../clock.js";
import { $, hide, list, mark, orEmpty, put } from "../dom.js";
import { runCleanup, toast, undoCleanup } from "../operate.js";
import { bytes, count, duration, known, plural, share, sum } from "../words.js";

const FAILURES_SHOWN = 20;
const open = new Set();
const awaited = new Set();

export function drawCleanup({ tasks }) {
  orEmpty("cleanup", tasks.length > 0, "No cleanup task is configured.");
  put($("cleanup-sum"), summary(tasks));
  list($("cleanup"), "t-task", tasks, drawTask, { key: ({ task }) => task, made });
}

function summary(tasks) {
  const freed = sum(tasks.map(({ lastReport }) => (lastReport && !lastReport.dryRun ? lastReport.freedBytes : 0)));
  return freed ? `last runs freed ${bytes(freed)}` : "";
}

function made(fields, task) {
  const run = (button, dryRun) => button.addEventListener("click", async () => {
    const runId = await runCleanup(button, task().task, dryRun);
    if (runId) awaited.add(runId);
  });
  run(fields.dry, true);
  run(fields.run, false);
  fields.undo.addEventListener("click", () => undoCleanup(fields.undo, task().lastReport));
  fields.more.addEventListener("click", () => {
    const { task: name } = task();
    if (!open.delete(name)) open.add(name);
    drawReport(fields, task());
  });
  fields.report.id = `report-${task().task}`;
  mark(fields.more, "aria-controls", fields.report.id);
}

function drawTask(fields, task) {
  const { task: name, enabled, everySeconds, nextRunAt, running, progress, lastReport: report } = task;
  const every = everySeconds.length ? `every ${everySeconds.map(duration).join(" and ")}` : "on request";
  const until = nextRunAt ? secondsTo(nextRunAt) : null;
  put(fields.name, name);
  put(fields.when, !enabled ? "off" : until === null ? every : `${every} · next ${until > 0 ? `in ${duration(until)}` : "is due"}`);
  put(fields.last, report ? `${duration(-secondsTo(report.finishedAt))} ago: ${result(report)}` : "never ran");
  mark(fields.last, "data-level", report && report.outcome !== "done" ? "high" : null);
  for (const button of [fields.dry, fields.run]) {
    if (!button.hasAttribute("aria-busy")) button.disabled = running;
    mark(button, "aria-label", `${button.textContent} ${name}`);
  }
  drawProgress(fields, name, running, progress);
  drawReport(fields, task);
  if (report && awaited.delete(report.runId)) {
    toast(`${name}: ${result(report)}.`, report.outcome === "done" ? "good" : "high");
    open.add(name);
  }
}

function result({ outcome, detail, dryRun, removed, freedBytes, failures }) {
  if (outcome !== "done") return detail ? `${outcome}: ${detail}` : outcome;
  const failed = Object.keys(failures).length;
  const did = `${dryRun ? "would remove" : "removed"} ${plural(removed, "item")}, ${bytes(freedBytes)}`;
  return failed ? `${did}, ${count(failed)} failed` : did;
}

/** A bar where the end is known, else one that only shows that something goes on. */
function drawProgress(fields, name, running, progress) {
  hide(fields.progress, !running);
  if (!running) return;
  const { phase, dryRun, scanned, removed, freedBytes, totalBytes, filesPerSecond } = progress ?? {};
  const done = known(totalBytes) && totalBytes > 0 ? Math.min(100, share(freedBytes, totalBytes)) : null;
  const text = [
    `${dryRun ? "dry run: " : ""}${phase ?? "running"}`,
    known(scanned) && `${plural(scanned, "file")} seen`,
    known(removed) && (removed || !dryRun) && `${plural(removed, "item")} ${dryRun ? "to remove" : "removed"}`,
    freedBytes ? `${bytes(freedBytes)}${known(totalBytes) ? ` of ${bytes(totalBytes)}` : ""}` : "",
    filesPerSecond ? `${count(Math.round(filesPerSecond))} files/s` : "",
  ].filter(Boolean).join(" · ");
  put(fields.how, text);
  mark(fields.bar, "aria-label", `Cleanup ${name}`);
  mark(fields.bar, "aria-valuenow", done === null ? null : String(Math.round(done)));
  mark(fields.bar, "aria-valuetext", text);
  mark(fields.bar, "data-unknown", done === null ? "true" : null);
  fields.fill.style.width = done === null ? "" : `${done}%`;
}

function drawReport(fields, { task, running, lastReport: report }) {
  const shown = Boolean(report) && open.has(task);
  hide(fields.more, !report);
  mark(fields.more, "aria-expanded", String(shown));
  hide(fields.report, !shown);
  hide(fields.undo, !report?.undoable);
  if (!fields.undo.hasAttribute("aria-busy")) fields.undo.disabled = running;
  if (!shown) return;
  const { dryRun, removed, freedBytes, freedAllocatedBytes, quarantined, startedAt, finishedAt, kept, failures } = report;
  list(fields.facts, "t-fact", [
    [dryRun ? "Would remove" : "Removed", plural(removed, "item")],
    [dryRun ? "Would free" : "Freed", `${bytes(freedBytes)}, ${bytes(freedAllocatedBytes)} on disk`],
    ["Took", duration((Date.parse(finishedAt) - Date.parse(startedAt)) / 1_000)],
    ...(quarantined ? [["In quarantine", report.undoable ? "can be undone" : "no longer"]] : []),
    ...Object.entries(kept).map(([reason, number]) => [`Kept: ${reason}`, count(number)]),
  ], (row, [name, value]) => { put(row.name, name); put(row.value, value); });
  const failed = Object.entries(failures);
  list(fields.failures, "t-text", failed.slice(0, FAILURES_SHOWN), (_, [path, error], item) => put(item, `${path}: ${error}`));
  put(fields.rest, failed.length > FAILURES_SHOWN ? `and ${count(failed.length - FAILURES_SHOWN)} more` : "");
}
