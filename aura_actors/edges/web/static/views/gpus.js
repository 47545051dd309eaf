/*
 * One card for each graphics processor, and a remark where looking at them goes wrong. Owns which of a device's values
 * are shown; what it does not report is n/a. A busy GPU is a good one: only its heat turns red.
 */
import { dial } from "../bindings.js";
import { Chart } from "../chart.js";
import { secondsTo } from "../clock.js";
import { $, bar, hide, list, mark, put } from "../dom.js";
import { threshold, timeline, view } from "../state.js";
import { bytes, celsius, count, duration, hertz, known, percent, watts } from "../words.js";

const FULL_PERCENT = 95;
const charts = new WeakMap();

export function drawGpus({ gpus, gpu, gpuProbe }) {
  const devices = gpus?.length ? gpus : gpu ? [gpu] : [];
  hide($("gpus"), !devices.length);
  list($("gpus"), "t-gpu", devices, drawDevice, {
    key: (device) => device.uuid,
    made: (fields, device) => charts.set(fields.chart, new Chart(fields.chart, [
      { name: `gpu ${device().uuid}`, color: "--gpu", label: "use" },
      { name: `gpu memory ${device().uuid}`, color: "--memory", label: "memory" },
    ], { top: 100, format: percent })),
  });
  drawProbe(devices, gpuProbe);
}

function drawDevice(fields, device) {
  const heat = device.temperatureCelsius;
  put(fields.model, device.name);
  put(fields.status, device.status === "ok" ? "" : device.detail ? `${device.status}: ${device.detail}` : device.status);
  mark(fields.dial, "aria-label", `GPU ${device.index} in use`);
  dial(fields.dial, device.usagePercent, Infinity);
  put(fields.use, percent(device.usagePercent));
  put(fields.heat, celsius(heat));
  mark(fields.heat, "data-level", heat > threshold("gpu") ? "high" : null);
  put(fields.power, device.powerLimitWatts && known(device.powerWatts)
    ? `${device.powerWatts.toFixed(0)} / ${watts(device.powerLimitWatts)}` : watts(device.powerWatts));
  put(fields.clock, hertz(device.graphicsClockHertz));
  put(fields.processes, count(device.processes?.length));
  bar(fields, {
    name: `GPU ${device.index}`, value: percent(device.memoryUsagePercent), label: `GPU ${device.index} memory in use`,
    fraction: device.memoryUsagePercent, alertAt: FULL_PERCENT,
    left: `${bytes(device.usedMemoryBytes)} of ${bytes(device.totalMemoryBytes)}`, right: "",
  });
  put(fields.name, `GPU ${device.index}`);
  charts.get(fields.chart).draw(timeline, view.windowMs);
}

/** No GPU is no news; one that cannot be looked at is. */
function drawProbe(devices, probe) {
  const remark = !probe || (probe.status === "unavailable" && !devices.length) ? ""
    : probe.status === "released"
      ? `GPU monitoring is released${probe.releasedUntil ? ` for ${duration(secondsTo(probe.releasedUntil))}` : ""}`
      : probe.reason ?? "";
  hide($("gpu-remark"), !remark);
  put($("gpu-remark"), remark);
}
