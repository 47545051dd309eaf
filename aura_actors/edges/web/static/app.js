/*
 * The live page: puts the newest frame of each topic on the screen, once per animation frame, and remembers five
 * minutes for the sparklines. Owns words, units and rounding; refuses to know the connection (aura-feed.js).
 * What the machine does not have is "n/a", never 0. Text goes in through textContent only.
 * Plain values are named in index.html: data-value="topic.path.to.field" data-as="percent".
 */
import { Feed, feedUrl } from "./aura-feed.js";

const NA = "n/a";
const TOPICS = ["system", "process", "utilization", "admission", "providers", "cleanup", "alerts", "actors"];
const HISTORY_MS = 5 * 60_000;
const HISTORY_POINTS = 600;
const GAP_MS = 15_000;
const STALE_MS = 3_000;
const JOBS_SHOWN = 50;
const SLOTS_SHOWN = 24;
const FULL_PERCENT = 90;
const GPU_HOT_CELSIUS = 85;

/* ---- words ------------------------------------------------------------------------------------------------ */

const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);
const count = (value) => (known(value) ? value.toLocaleString("en") : NA);
const percent = (value) => (known(value) ? `${value.toFixed(value < 9.95 ? 1 : 0)}\u2009%` : NA);
const rate = (value) => (known(value) ? `${bytes(value)}/s` : NA);
const share = (part, whole) => (known(part) && whole > 0 ? (100 * part) / whole : null);
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const total = (numbers) => (known(numbers) ? count(sum(numbers)) : NA);
const stampMs = (stamp) => (typeof stamp === "number" ? stamp * 1_000 : Date.parse(stamp));

function bytes(value) {
  if (!known(value)) return NA;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let [size, unit] = [Math.abs(value), 0];
  for (; size >= 999.5 && unit < units.length - 1; unit++) size /= 1024;
  const digits = unit === 0 || size >= 99.95 ? 0 : 1;
  return `${value < 0 ? "\u2212" : ""}${size.toFixed(digits)}\u00a0${units[unit]}`;
}

function duration(seconds) {
  if (!known(seconds)) return NA;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min${whole < 600 && whole % 60 ? ` ${whole % 60} s` : ""}`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3_600)} h`;
}

const AS = { count, percent, rate, bytes, duration, total };

/* ---- the page's memory ------------------------------------------------------------------------------------ */

/** Fixed room for [time, value] pairs in the order of time; the oldest make way. An unknown value is NaN. */
class Ring {
  #times = new Float64Array(HISTORY_POINTS);
  #values = new Float64Array(HISTORY_POINTS);
  #pushed = 0;
  last = NaN;

  push(timeMs, value) {
    if (timeMs <= this.last) this.#pushed = 0; // the server's clock was set back
    this.#times[this.#pushed % HISTORY_POINTS] = this.last = timeMs;
    this.#values[this.#pushed++ % HISTORY_POINTS] = value ?? NaN;
  }

  /** [timeMs, value] for what is inside the window, oldest first. */
  *[Symbol.iterator]() {
    for (let i = Math.max(0, this.#pushed - HISTORY_POINTS); i < this.#pushed; i++) {
      const at = i % HISTORY_POINTS;
      if (this.#times[at] >= this.last - HISTORY_MS) yield [this.#times[at], this.#values[at]];
    }
  }

  summary() {
    const values = [...this].map(([, value]) => value).filter(known);
    if (!values.length) return { average: null, peak: null };
    return { average: sum(values) / values.length, peak: Math.max(...values) };
  }
}

const history = { cpu: new Ring(), memory: new Ring(), received: new Ring(), sent: new Ring() };
const latest = {};
const server = { clockMs: 0, heardAt: 0, periodMs: 1_000, sampledAt: null };

/** Seconds from now, by the server's wall clock as far as its frames tell, to the stamp. */
const secondsTo = (stamp) => (stampMs(stamp) - server.clockMs - performance.now() + server.heardAt) / 1_000;

/* ---- elements --------------------------------------------------------------------------------------------- */

const $ = (id) => document.getElementById(id);
const at = (path) => path.split(".").reduce((value, key) => value?.[key], latest);
const fieldsOf = new WeakMap();

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** `fill(fields, item, element, index)` for each item, on as many copies of a template as there are items. */
function list(host, template, items, fill) {
  while (host.children.length > items.length) host.lastElementChild.remove();
  while (host.children.length < items.length) {
    const element = $(template).content.firstElementChild.cloneNode(true);
    const named = [element, ...element.querySelectorAll("*")].filter((part) => part.dataset.f);
    fieldsOf.set(element, Object.fromEntries(named.map((field) => [field.dataset.f, field])));
    host.append(element);
  }
  [...host.children].forEach((element, index) => fill(fieldsOf.get(element), items[index], element, index));
}

/** A section's table or rows, or the sentence that stands there instead. */
function orEmpty(name, items, sentence) {
  if ($(`${name}-table`)) $(`${name}-table`).hidden = !items.length;
  $(`${name}-empty`).hidden = items.length > 0;
  put($(`${name}-empty`), sentence);
}

function meter(element, value, text, alertAt = Infinity) {
  if (known(value)) element.setAttribute("aria-valuenow", String(Math.round(value * 10) / 10));
  else element.removeAttribute("aria-valuenow");
  element.setAttribute("aria-valuetext", text);
  const level = known(value) ? "normal" : "none";
  element.dataset.level = value >= alertAt ? "high" : value >= alertAt - 10 ? "near" : level;
}

function barRow(fields, { name, value, label, fraction, alertAt, left = "", right = "" }) {
  for (const [field, text] of Object.entries({ name, value, left, right })) put(fields[field], text);
  fields.bar.setAttribute("aria-label", label);
  meter(fields.bar, fraction, value, alertAt);
  fields.fill.style.width = `${Math.min(100, fraction ?? 0)}%`;
}

/** Lines over the last five minutes, the newest at the right edge. `top` null: as high as the highest value. */
function spark(canvas, series, top) {
  const ratio = globalThis.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns || canvas.height !== rows) [canvas.width, canvas.height] = [columns, rows];
  const [pen, style] = [canvas.getContext("2d"), getComputedStyle(canvas)];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = style.getPropertyValue("--line");
  for (const part of [0.25, 0.5, 0.75]) pen.fillRect(0, Math.round(height * part), width, 1);
  const peak = top ?? 1.1 * Math.max(1_024, ...Object.values(series).map((ring) => ring.summary().peak ?? 0));
  for (const [color, ring] of Object.entries(series)) {
    pen.strokeStyle = pen.fillStyle = style.getPropertyValue(color);
    let [run, before] = [[], -Infinity];
    for (const [timeMs, value] of ring) {
      if (!known(value) || timeMs - before > Math.max(GAP_MS, 3 * server.periodMs)) {
        trace(pen, run, height);
        run = [];
      }
      const y = height - 1.5 - (height - 3) * Math.min(1, value / peak);
      if (known(value)) run.push([width * (1 - (ring.last - timeMs) / HISTORY_MS), y]);
      before = timeMs;
    }
    trace(pen, run, height);
  }
}

/** One unbroken run of points: the line, and a wash below it. */
function trace(pen, points, height) {
  if (!points.length) return;
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  Object.assign(pen, { lineWidth: 1.5, lineJoin: "round" });
  pen.stroke();
  pen.lineTo(points.at(-1)[0], height);
  pen.lineTo(points[0][0], height);
  pen.globalAlpha = 0.13;
  pen.fill();
  pen.globalAlpha = 1;
}

/* ---- topics ----------------------------------------------------------------------------------------------- */

const bound = [...document.querySelectorAll("[data-value]")];
const dials = [...document.querySelectorAll("[data-meter]")];
const collected = [...document.querySelectorAll("[data-collector]")];

function drawValues() {
  for (const element of bound) put(element, AS[element.dataset.as](at(element.dataset.value)));
  for (const element of dials) {
    const value = at(element.dataset.meter);
    meter(element, value, percent(value), Number(element.dataset.alert));
    const arc = element.querySelector(".arc");
    arc.style.strokeDasharray = `${Math.min(100, Math.max(0, value ?? 0))} 100`;
    arc.style.opacity = value > 0.3 ? "1" : "0"; // a round cap would show a dot for nothing
  }
}

function drawSystem({ cpu, disks, gpu, gpus, stale }) {
  list($("cores"), "t-core", cpu.perCoreUsagePercent ?? [], ({ fill }, value, core, index) => {
    core.setAttribute("aria-label", `Core ${index}`);
    core.title = `Core ${index}: ${percent(value)}`;
    meter(core, value, percent(value), FULL_PERCENT);
    fill.style.height = `${value ?? 0}%`;
  });
  spark($("cpu-spark"), { "--cpu": history.cpu }, 100);
  spark($("memory-spark"), { "--memory": history.memory }, 100);
  spark($("network-spark"), { "--received": history.received, "--sent": history.sent }, null);
  orEmpty("disks", disks, "This machine reports no disk.");
  list($("disks"), "t-bar", disks, (fields, disk, row) => {
    row.title = disk.driveLabel;
    barRow(fields, {
      name: disk.driveName, value: percent(disk.usagePercent), label: `Disk ${disk.driveName} in use`,
      fraction: disk.usagePercent, alertAt: FULL_PERCENT,
      left: `${bytes(disk.usedBytes)} of ${bytes(disk.totalBytes)}`,
      right: `read ${rate(disk.readBytesPerSecond)} · write ${rate(disk.writeBytesPerSecond)}`,
    });
  });
  drawGpus(gpus?.length ? gpus : gpu ? [gpu] : []);
  for (const card of collected) { // a collector that fails leaves its last values standing: say how old they are
    const [badge, since] = [card.querySelector(".stale"), stale?.[card.dataset.collector]];
    badge.hidden = !since;
    put(badge, since ? `${duration(-secondsTo(since))} old` : "");
  }
}

function drawGpus(gpus) {
  const heat = (at) => (known(at) ? `${at.toFixed(0)} °C${at > GPU_HOT_CELSIUS ? ", too hot" : ""}` : NA);
  $("gpu-card").hidden = !gpus.length;
  list($("gpus"), "t-bar", gpus.flatMap((gpu) => [
    {
      name: gpu.name, value: percent(gpu.usagePercent), label: `${gpu.name} in use`, fraction: gpu.usagePercent,
      alertAt: FULL_PERCENT, left: gpu.vendor, right: heat(gpu.temperatureCelsius),
    },
    {
      name: "Memory", value: percent(gpu.memoryUsagePercent), label: `${gpu.name} memory in use`,
      fraction: gpu.memoryUsagePercent, alertAt: FULL_PERCENT,
      left: `${bytes(gpu.usedMemoryBytes)} of ${bytes(gpu.totalMemoryBytes)}`,
    },
  ]), barRow);
}

function drawAdmission({ active, activeJobs, maxConcurrentJobs, memory }) {
  const slots = Math.max(maxConcurrentJobs, activeJobs);
  const text = `${count(activeJobs)} of ${count(maxConcurrentJobs)} slots used`;
  meter($("slots"), activeJobs, text);
  $("slots").setAttribute("aria-valuemax", String(slots));
  put($("slots-text"), text);
  // Beyond two dozen, single slots cannot be told apart: that many marks then stand for all of them.
  const marks = Math.min(slots, SLOTS_SHOWN);
  const used = Array.from({ length: marks }, (_, index) => index < Math.ceil((marks * activeJobs) / slots));
  list($("slots"), "t-slot", used, (_, isUsed, mark) => { mark.dataset.used = String(isUsed); });
  list($("jobs"), "t-job", active.slice(0, JOBS_SHOWN), (fields, job) => {
    put(fields.job, job.kind ? `${job.jobId} · ${job.kind}` : job.jobId);
    put(fields.owner, job.owner);
    put(fields.memory, bytes(job.memoryBytes));
    put(fields.priority, job.priority);
    put(fields.left, secondsTo(job.expiresAt) > 0 ? duration(secondsTo(job.expiresAt)) : "ending");
  });
  orEmpty("jobs", active, "No job is running. POST one to api/admission/jobs.");
  put($("jobs-more"), active.length > JOBS_SHOWN ? `and ${count(active.length - JOBS_SHOWN)} more` : "");
  drawBooks(memory);
}

function drawBooks({ capacityBytes, externalBytes: external, reservedBytes: reserved, headroomBytes: headroom }) {
  const parts = { external, reserved, headroom, kept: latest.page.keptBytes };
  $("headroom").classList.toggle("bad", headroom < 0);
  for (const part in parts) parts[part] = Math.max(0, parts[part] ?? 0);
  // With less than nothing left the parts are larger than the machine, and the bar shows them in proportion.
  const whole = Math.max(capacityBytes ?? 0, sum(Object.values(parts)));
  for (const mark of $("books").children) mark.style.width = `${share(parts[mark.dataset.part], whole) ?? 0}%`;
}

function drawProviders({ providers }) {
  orEmpty("providers", providers, "No provider has been used.");
  list($("providers"), "t-bar", providers, (fields, provider) => barRow(fields, {
    name: provider.name, value: `${count(provider.active)} of ${count(provider.maxConcurrent)}`,
    label: `${provider.name} slots in use`, fraction: share(provider.active, provider.maxConcurrent),
    left: `${count(provider.grantedTotal)} granted`, right: `${count(provider.deniedTotal)} denied`,
  }));
}

function drawCleanup({ tasks }) {
  const until = (stamp) => (secondsTo(stamp) > 0 ? `in ${duration(secondsTo(stamp))}` : "due");
  orEmpty("cleanup", tasks, "No cleanup task is configured.");
  list($("cleanup"), "t-task", tasks, (fields, { task, enabled, running, nextRunAt, lastReport: report }) => {
    put(fields.task, task);
    put(fields.last, report ? `${duration(-secondsTo(report.finishedAt))} ago` : "never");
    put(fields.result, report ? cleanupResult(report) : "");
    fields.result.classList.toggle("bad", report?.outcome === "failed");
    put(fields.next, running ? "running now" : !enabled ? "off" : nextRunAt ? until(nextRunAt) : NA);
  });
}

function cleanupResult({ outcome, detail, dryRun, removed, freedBytes, failures }) {
  if (outcome !== "done") return detail ? `${outcome}: ${detail}` : outcome;
  const failed = Object.keys(failures).length;
  const did = `${dryRun ? "would remove" : "removed"} ${count(removed)}, ${bytes(freedBytes)}`;
  return failed ? `${did}, ${count(failed)} failed` : did;
}

function drawActors({ root }) {
  const flat = (node, depth) => [{ node, depth }, ...node.children.flatMap((child) => flat(child, depth + 1))];
  const rows = flat(root, 0);
  orEmpty("actors", rows, "");
  list($("actors"), "t-actor", rows, (fields, { node: { name, state, restarts, mailbox, lastCrash }, depth }) => {
    fields.name.parentNode.style.setProperty("--depth", String(depth));
    put(fields.name, name);
    put(fields.crash, lastCrash ? `${duration(-secondsTo(lastCrash.at))} ago: ${lastCrash.error}` : "");
    put(fields.state, state);
    fields.state.dataset.state = state;
    put(fields.restarts, count(restarts));
    put(fields.waiting, mailbox ? `${count(mailbox.depth)} / ${count(mailbox.capacity)}` : "");
    put(fields.handled, mailbox ? count(mailbox.handled) : "");
  });
}

function drawAlerts({ active }) {
  $("alerts").hidden = !active.length;
  list($("alerts"), "t-alert", active, (_, { text }, item) => put(item, text));
}

/* ---- connection ------------------------------------------------------------------------------------------- */

/** Where the token is kept for the tab; where the browser forbids storage, for as long as the page is open. */
const kept = (() => { try { return sessionStorage; } catch { return {}; } })();

function drawConnection({ state, retryAt, code }) {
  const seconds = state === "waiting" ? Math.ceil((retryAt - performance.now()) / 1_000) : 0;
  const [form, refused] = [$("token-form"), state === "unauthorized"];
  document.body.dataset.state = state;
  put($("connection-text"), { waiting: "reconnecting", unauthorized: "token needed" }[state] ?? state);
  put($("connection-wait"), seconds >= 1 ? `in ${seconds} s` : "");
  if (form.hidden === refused) form.hidden = !refused;
  else if (refused && document.activeElement === document.body) $("token").focus();
  $("forget").hidden = refused || !kept.auraToken;
  $("data-links").hidden = !$("token-form").hidden || Boolean(kept.auraToken);
  const sentence = code === 4403 ? "This token may not read here." : "This token was refused.";
  put($("token-error"), refused && kept.auraToken ? sentence : "");
}

function drawAge() {
  const ageMs = server.sampledAt === null ? null : performance.now() - server.sampledAt;
  const level = ageMs === null ? "none" : ageMs > Math.max(STALE_MS, 3 * server.periodMs) ? "high" : "normal";
  $("age").dataset.level = document.body.dataset.data = level;
  put($("age"), ageMs === null ? "no data yet" : `data ${duration(ageMs / 1_000)} old`);
}

/* ---- one redraw per animation frame ----------------------------------------------------------------------- */

const DRAW = { system: drawSystem, admission: drawAdmission, providers: drawProviders, cleanup: drawCleanup,
  actors: drawActors, alerts: drawAlerts };
let asked = false;

function redraw() {
  if (!asked) requestAnimationFrame(draw);
  asked = true;
}

function draw() {
  asked = false;
  drawConnection(feed.state);
  drawAge();
  const { capacityBytes, allowedBytes } = latest.admission?.memory ?? {};
  latest.page = { keptBytes: known(capacityBytes) && known(allowedBytes) ? capacityBytes - allowedBytes : null };
  for (const [name, ring] of Object.entries(history)) latest.page[name] = ring.summary();
  drawValues();
  for (const [topic, show] of Object.entries(DRAW)) if (latest[topic]) show(latest[topic]);
}

function remember({ timestamp, cpu, memory, network }) {
  const timeMs = stampMs(timestamp);
  if (timeMs > history.cpu.last) server.periodMs = Math.min(60_000, timeMs - history.cpu.last);
  history.cpu.push(timeMs, cpu.overallUsagePercent);
  history.memory.push(timeMs, memory.usagePercent);
  history.received.push(timeMs, network.bytesReceivedPerSecond);
  history.sent.push(timeMs, network.bytesSentPerSecond);
  server.sampledAt = performance.now();
}

function take({ type, topic, ts, data }) {
  if (type === "snapshot") latest[topic] = data;
  if (topic === "system") remember(data);
  const [sentMs, now] = [stampMs(ts), performance.now()];
  // The newest stamp sets the clock: a cached snapshot is older, and says nothing about it.
  if (sentMs > server.clockMs + now - server.heardAt) Object.assign(server, { clockMs: sentMs, heardAt: now });
  redraw();
}

const feed = new Feed({
  url: feedUrl(), topics: TOPICS, intervalMs: 1_000, recover: ["system"], token: kept.auraToken ?? null,
  onFrame: take,
  onHello: () => { server.clockMs = 0; },
  onState: redraw,
  onProblem: ({ pointer, detail }) => console.warn("feed:", pointer, detail),
});

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  feed.setToken((kept.auraToken = $("token").value.trim()));
  $("token").value = "";
});
$("forget").addEventListener("click", () => { delete kept.auraToken; location.reload(); });
addEventListener("resize", redraw);
setInterval(() => document.hidden || redraw(), 1_000);

put($("host"), location.host);
feed.start();
