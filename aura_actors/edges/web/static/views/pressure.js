/*
 * Time lost waiting (PSI), and the control group that we live in. Owns both cards; a machine that has neither shows
 * neither.
 */
import { Chart } from "../chart.js";
import { $, bar, hide, list, put } from "../dom.js";
import { timeline, view } from "../state.js";
import { bytes, count, known, percent } from "../words.js";

const RESOURCES = [["cpu", "Processor", "--cpu"], ["memory", "Memory", "--memory"], ["io", "Disks", "--in"]];
const SERIES = { cpu: "pressureCpu", memory: "pressureMemory", io: "pressureIo" };
const MUCH_PERCENT = 50;

const chart = new Chart($("pressure-chart"), RESOURCES.map(([name, label, color]) =>
  ({ name: SERIES[name], color, label: label.toLowerCase() })), { floor: 10, format: percent });

export function drawPressure({ pressure }) {
  hide($("pressure-card"), !pressure);
  if (!pressure) return;
  const told = RESOURCES.filter(([name]) => pressure[name]?.some);
  list($("pressure"), "t-bar", told, (fields, [name, label, color]) => {
    const { some, full } = pressure[name];
    fields.bar.style.setProperty("--tone", `var(${color})`);
    bar(fields, {
      name: label, value: percent(some.avg10Percent), label: `Time in which something waited: ${label}`,
      fraction: some.avg10Percent, alertAt: MUCH_PERCENT,
      left: `1 min ${percent(some.avg60Percent)} · 5 min ${percent(some.avg300Percent)}`,
      right: known(full?.avg10Percent) && name !== "cpu" ? `all waited ${percent(full.avg10Percent)}` : "",
    });
  }, { key: ([name]) => name });
  chart.draw(timeline, view.windowMs);
}

const GROUP = [
  ["Memory limit", ({ memoryLimitBytes }) => (known(memoryLimitBytes) ? bytes(memoryLimitBytes) : "none")],
  ["Memory in use", ({ memoryWorkingSetBytes }) => bytes(memoryWorkingSetBytes)],
  ["Processor limit", ({ cpuLimitCores }) => (known(cpuLimitCores) ? `${cpuLimitCores} cores` : "none")],
  ["Cores allowed", ({ cpusetCores }) => count(cpusetCores)],
  ["Killed for memory", ({ oomKillsTotal }) => count(oomKillsTotal)],
  ["Throttled periods", ({ cpuThrottledPeriodsTotal }) => count(cpuThrottledPeriodsTotal)],
];

export function drawGroup({ cgroup }) {
  hide($("group-card"), !cgroup);
  if (!cgroup) return;
  put($("group-version"), cgroup.version);
  list($("group"), "t-fact", GROUP, (fields, [name, say]) => {
    put(fields.name, name);
    put(fields.value, say(cgroup));
  });
}
