/*
 * What an operator may do from here: run, look first and undo a cleanup, end a lease, drain. Owns the question before
 * what cannot be taken back, and the sentence after it; the server alone decides whether it is allowed.
 */
import { ask } from "./session.js";
import { $, put } from "./dom.js";

const TOAST_MS = 10_000;
const TOASTS = 4;

/** Say something that goes away by itself. */
export function toast(text, level = "good") {
  const item = $("t-toast").content.firstElementChild.cloneNode(true);
  item.dataset.level = level;
  put(item.querySelector("span"), text);
  item.querySelector("button").addEventListener("click", () => item.remove());
  while ($("toasts").children.length >= TOASTS) $("toasts").firstElementChild.remove();
  $("toasts").append(item);
  setTimeout(() => item.remove(), TOAST_MS);
}

/** Ask first. Resolves to whether it was agreed to; Escape and Cancel are no. */
function agreed(title, text, verb) {
  const dialog = $("confirm");
  put($("confirm-title"), title);
  put($("confirm-text"), text);
  put($("confirm-yes"), verb);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Carry one request out, with its button out of reach meanwhile. The body of the answer, or null where it failed. */
async function act(button, path, body) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  const answer = await ask("POST", path, body);
  button.disabled = false;
  button.removeAttribute("aria-busy");
  if (answer.ok) return answer.body ?? {};
  toast(answer.status === 403 ? `Not allowed: ${answer.detail}` : answer.detail ?? "It was refused.", "high");
  return null;
}

const part = encodeURIComponent;

/** Begin a cleanup run; gives its id, or null. */
export async function runCleanup(button, task, dryRun) {
  const text = `${task} removes what it finds now. A dry run tells beforehand what that is.`;
  if (!dryRun && !(await agreed(`Run ${task}?`, text, "Run it"))) return null;
  return (await act(button, `api/cleanup/${part(task)}/run`, { dryRun }))?.runId ?? null;
}

export async function undoCleanup(button, { runId, task }) {
  if (!(await agreed(`Undo this run of ${task}?`, "What it removed is put back to where it was.", "Put it back"))) return;
  if (await act(button, `api/cleanup/runs/${part(runId)}/undo`)) toast(`${task}: what the run removed is back.`);
}

/** `holds` tells whether that lease is still there: another may have the job's id by the time one has answered. */
export async function revoke(button, jobId, holds) {
  const text = "Its room is free at once. The job itself is told when it next renews.";
  if (!(await agreed(`End the lease of ${jobId}?`, text, "End it"))) return;
  if (!holds()) return toast(`That lease of ${jobId} had ended already.`, "near");
  if (await act(button, `api/admission/jobs/${part(jobId)}/revoke`)) toast(`The lease of ${jobId} has ended.`);
}

/** `waits` tells whether it still does: a job that has begun meanwhile is not what was asked about. */
export async function removeFromQueue(button, jobId, waits) {
  if (!(await agreed(`Send ${jobId} away?`, "It loses its place in the queue.", "Send it away"))) return;
  if (!waits()) return toast(`${jobId} did not wait any more.`, "near");
  if (await act(button, `api/admission/jobs/${part(jobId)}/revoke`)) toast(`${jobId} no longer waits.`);
}

export async function drain(button, on) {
  const text = "Nothing new is admitted, and whoever waits is sent away. Jobs that run are left alone.";
  if (on && !(await agreed("Drain this machine?", text, "Drain"))) return;
  const done = await act(button, "api/admission/drain", { on });
  if (done) toast(done.on ? "Draining: nothing new is admitted." : "Jobs are admitted again.");
}

$("confirm-yes").addEventListener("click", () => $("confirm").close("yes"));
$("confirm-no").addEventListener("click", () => $("confirm").close("no"));
