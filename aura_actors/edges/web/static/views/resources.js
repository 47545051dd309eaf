/*
 * Processor, memory, disk and network: the gauges' charts, the cores, the file systems. Owns which line is in which
 * chart; refuses to know how a chart is drawn.
 */
import { Chart } from "../chart.js";
import { $, bar, list, mark, meter, orEmpty } from "../dom.js";
import { latest, threshold, timeline, view } from "../state.js";
import { bytes, known, percent, rate } from "../words.js";

const FULL_PERCENT = 90;
const QUIET_BYTES = 64 * 1024; // traffic below this is not blown up to a full chart

const charts = [
  new Chart($("cpu-chart"), [{ name: "cpu", color: "--cpu" }], { top: 100, format: percent }),
  new Chart($("memory-chart"), [{ name: "memory", color: "--memory" }], { top: 100, format: percent }),
  new Chart($("disk-chart"), [
    { name: "read", color: "--in", label: "read" }, { name: "written", color: "--out", label: "write" },
  ], { floor: QUIET_BYTES, format: rate }),
  new Chart($("network-chart"), [
    { name: "received", color: "--in", label: "in" }, { name: "sent", color: "--out", label: "out" },
  ], { floor: QUIET_BYTES, format: rate }),
];

/** What the timeline says of the window, for the values that index.html names. */
export function summarize() {
  const page = {};
  for (const name of ["cpu", "memory", "read", "written", "received", "sent"]) {
    page[name] = timeline.summary(view.windowMs, name);
  }
  const last = timeline.since(1, ["read", "written"]);
  page.disk = { read: last[1].at(-1), written: last[2].at(-1) };
  latest.page = page;
}

export function drawResources({ cpu, disks }) {
  drawCores(cpu.perCoreUsagePercent ?? []);
  for (const chart of charts) chart.draw(timeline, view.windowMs);
  orEmpty("disks", disks.length > 0, "This machine reports no file system.");
  list($("disks"), "t-bar", disks, (fields, disk) => bar(fields, {
    name: disk.driveName, title: disk.driveLabel, value: percent(disk.usagePercent),
    label: `File system ${disk.driveName} in use`, fraction: disk.usagePercent, alertAt: FULL_PERCENT,
    left: known(disk.availableBytes) ? `${bytes(disk.availableBytes)} free of ${bytes(disk.totalBytes)}` : "",
    right: `read ${rate(disk.readBytesPerSecond)} · write ${rate(disk.writeBytesPerSecond)}`,
  }), { key: (disk) => `${disk.driveName} ${disk.driveLabel}` });
}

function drawCores(cores) {
  mark($("cores"), "data-many", cores.length > 48 ? "true" : null);
  list($("cores"), "t-core", cores, ({ fill }, value, core, index) => {
    mark(core, "aria-label", `Core ${index}`);
    mark(core, "title", `Core ${index}: ${percent(value)}`);
    meter(core, value, percent(value), threshold("cpu"));
    fill.style.height = `${value ?? 0}%`;
  });
}
