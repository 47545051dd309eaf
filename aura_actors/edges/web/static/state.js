/*
 * What the page knows: the newest snapshot of each topic, the timeline, the thresholds and the choices of whoever
 * looks. Owns the translation of a system snapshot into moments of the timeline; refuses to know how any of it is
 * drawn and how it came here.
 */
import { Timeline } from "./timeline.js";
import { period } from "./clock.js";
import { known, stampMs, sum } from "./words.js";

export const latest = {};
export const timeline = new Timeline();
export const view = { windowMs: 5 * 60_000, paused: false, operator: false };

const GAP_MS = 15_000;
const FULL_PERCENT = 90;

export const gapMs = () => Math.max(GAP_MS, 3 * period());

/** Above which a gauge is red, as `[alerts]` sets it; where that is not told or does not exist, 90 %. */
export function threshold(name) {
  return latest.alerts?.thresholds?.find((each) => each.name === name)?.threshold ?? FULL_PERCENT;
}

const added = (items, field) => {
  const values = items.map((item) => item[field]).filter(known);
  return values.length ? sum(values) : null;
};

/** One system snapshot as `[timeMs, values]`. Devices are counted once, though several file systems lie on one. */
export function moment({ timestamp, cpu, memory, network, disks, gpus, pressure }) {
  const devices = [...new Map(disks.map((disk) => [disk.driveLabel, disk])).values()];
  const values = {
    cpu: cpu.overallUsagePercent,
    memory: memory.usagePercent,
    received: network.bytesReceivedPerSecond,
    sent: network.bytesSentPerSecond,
    read: added(devices, "readBytesPerSecond"),
    written: added(devices, "writeBytesPerSecond"),
    pressureCpu: pressure?.cpu?.some?.avg10Percent,
    pressureMemory: pressure?.memory?.some?.avg10Percent,
    pressureIo: pressure?.io?.some?.avg10Percent,
  };
  for (const gpu of gpus ?? []) {
    values[`gpu ${gpu.uuid}`] = gpu.usagePercent;
    values[`gpu memory ${gpu.uuid}`] = gpu.memoryUsagePercent;
  }
  return [stampMs(timestamp), values];
}
