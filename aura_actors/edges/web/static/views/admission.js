/*
 * Who may start: the slots, the books over everything that is shared, and the jobs that hold a lease. Owns how
 * reserved stands against used; refuses to know who waits (queue.js).
 */
import { secondsTo } from "../clock.js";
import { $, hide, list, mark, meter, orEmpty, put } from "../dom.js";
import { revoke } from "../operate.js";
import { latest } from "../state.js";
import { amount, bytes, count, duration, known, share, sum } from "../words.js";

const JOBS_SHOWN = 50;
const SLOTS_SHOWN = 24;
const NAMES = { memory: "Memory", cores: "Cores", scratch: "Scratch disk" };
const PARTS = ["external", "ghosts", "promised", "headroom", "kept"];

export function drawAdmission(admission) {
  drawSlots(admission);
  hide($("brake"), !admission.brake && !admission.draining);
  put($("brake"), admission.draining ? "Draining: nothing new is admitted until an operator says so." : admission.brake ?? "");
  drawBooks(admission.dimensions ?? []);
  drawJobs(admission.active);
  mark($("drain"), "aria-pressed", String(admission.draining));
  put($("drain"), admission.draining ? "Admit again" : "Drain");
}

function drawSlots({ activeJobs, maxConcurrentJobs }) {
  const slots = Math.max(maxConcurrentJobs, activeJobs);
  const text = `${count(activeJobs)} of ${count(maxConcurrentJobs)} slots used`;
  meter($("slots"), activeJobs, text);
  mark($("slots"), "aria-valuemax", String(slots));
  put($("slots-text"), text);
  // Beyond two dozen, single slots cannot be told apart: that many marks then stand for all of them.
  const marks = Math.min(slots, SLOTS_SHOWN);
  const used = Array.from({ length: marks }, (_, index) => index < Math.ceil((marks * activeJobs) / slots));
  list($("slots"), "t-slot", used, (_, isUsed, slot) => mark(slot, "data-used", String(isUsed)));
}

function drawBooks(dimensions) {
  hide($("books-legend"), !dimensions.length);
  list($("books"), "t-books", dimensions, (fields, books) => {
    const { name, unit, capacity, allowed, headroom, promised, external, ghosts } = books;
    const parts = { external, ghosts, promised, headroom, kept: known(capacity) && known(allowed) ? capacity - allowed : 0 };
    for (const part in parts) parts[part] = Math.max(0, parts[part] ?? 0);
    // With less than nothing left the parts are larger than the whole, and the bar shows them in proportion.
    const whole = Math.max(capacity ?? 0, sum(Object.values(parts)));
    const free = known(headroom) ? `${amount(headroom, unit)} free of ${amount(capacity, unit)}` : "not known";
    const others = [external && `others use ${amount(external, unit)}`,
      ghosts && `${amount(ghosts, unit)} not given back yet`].filter(Boolean).join(", ");
    put(fields.name, NAMES[name] ?? name);
    put(fields.value, free);
    mark(fields.value, "data-level", headroom < 0 ? "high" : null);
    put(fields.left, `${amount(promised, unit)} reserved`);
    put(fields.right, others);
    mark(fields.stack, "aria-label", `${NAMES[name] ?? name}: ${free}, ${amount(promised, unit)} reserved, ${others}`);
    for (const part of PARTS) fields[part].style.width = `${share(parts[part], whole) ?? 0}%`;
  }, { key: ({ name }) => name });
}

function drawJobs(active) {
  orEmpty("jobs", active.length > 0, "No job is running.");
  put($("jobs-more"), active.length > JOBS_SHOWN ? `and ${count(active.length - JOBS_SHOWN)} more` : "");
  list($("jobs"), "t-job", active.slice(0, JOBS_SHOWN), (fields, job) => {
    const used = job.measuredBytes;
    put(fields.job, job.jobId);
    put(fields.about, [job.kind, job.owner !== "anonymous" && job.owner, job.priority !== "normal" && job.priority]
      .filter(Boolean).join(" · "));
    put(fields.memory, bytes(job.memoryBytes));
    put(fields.used, bytes(used));
    meter(fields.bar, share(used, job.memoryBytes), known(used) ? `${bytes(used)} of ${bytes(job.memoryBytes)}` : "not known", 100);
    mark(fields.bar, "aria-label", `Memory that ${job.jobId} uses of what it reserved`);
    fields.fill.style.width = `${Math.min(100, share(used, job.memoryBytes) ?? 0)}%`;
    put(fields.holds, holds(job));
    const left = secondsTo(job.expiresAt);
    put(fields.left, left > 0 ? duration(left) : "ending");
  }, { key: ({ jobId, fence }) => `${jobId} ${fence}`, made: (fields, job) => {
    const { jobId, fence } = job();
    const holds = () => latest.admission.active.some((each) => each.fence === fence);
    fields.revoke.addEventListener("click", () => revoke(fields.revoke, jobId, holds));
  } });
}

/** Everything but memory, in few words. */
function holds({ cpuCores, gpus, scratchBytes, units, providers }) {
  return [
    cpuCores ? `${count(cpuCores)} ${cpuCores === 1 ? "core" : "cores"}` : "",
    gpus.length ? `GPU ${gpus.map(({ index }) => index ?? "?").join(", ")}` : "",
    scratchBytes ? `${bytes(scratchBytes)} scratch` : "",
    ...Object.entries(units).map(([name, number]) => `${count(number)} ${name}`),
    ...providers,
  ].filter(Boolean).join(" · ") || "\u2013";
}
