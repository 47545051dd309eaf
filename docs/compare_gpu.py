"""Our numbers beside those of `nvidia-smi`, on a machine with an NVIDIA device: `python docs/compare_gpu.py`.

Runs the probe as the daemon does, and `nvidia-smi` right after it. What cannot move between the two must be equal,
or the exit status is 1; what can move is shown with its difference. `[N/A]` there must be null here.
"""

import csv
import subprocess
import sys

import msgspec

from aura_actors.workers.frames import Device, Sample, Sampled, read_frame, write_frame

MIB = 2**20
QUERY = {
    "uuid": "uuid",
    "name": "name",
    "driver_version": "driver_version",
    "pci_address": "pci.bus_id",
    "memory_total_bytes": "memory.total",
    "power_limit_watts": "enforced.power.limit",
    "utilization_percent": "utilization.gpu",
    "memory_used_bytes": "memory.used",
    "memory_free_bytes": "memory.free",
    "memory_reserved_bytes": "memory.reserved",
    "temperature_celsius": "temperature.gpu",
    "power_watts": "power.draw",
    "graphics_clock_hertz": "clocks.gr",
    "memory_clock_hertz": "clocks.mem",
}
FIXED = ("uuid", "name", "driver_version", "pci_address", "memory_total_bytes", "power_limit_watts")


def probed(root: str = "/") -> Sampled:
    """What the probe says the first time."""
    command = [sys.executable, "-P", "-m", "aura_actors.workers.gpu", "--root", root]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        write_frame(process.stdin, msgspec.msgpack.encode(Sample()))  # type: ignore[arg-type]  # IO[bytes]
        frame = read_frame(process.stdout)  # type: ignore[arg-type]  # IO[bytes]
        process.stdin.close()
    if frame is None:
        sys.exit("the probe ended without an answer")
    return msgspec.msgpack.decode(frame, type=Sampled)


def nvidia_smi(what: str, fields: list[str]) -> list[dict[str, str]]:
    """One row for each device or process, by nvidia-smi's names."""
    command = ["nvidia-smi", f"--query-{what}={','.join(fields)}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = csv.reader(done.stdout.splitlines(), skipinitialspace=True)
    return [dict(zip(fields, row, strict=True)) for row in rows if row]


def ours(device: Device, field: str) -> str:
    """A value as nvidia-smi writes it: MiB, MHz."""
    value = device.values.get(field, getattr(device, field, None))
    if value is None:
        return "[N/A]"
    if field.endswith("_bytes"):
        return f"{value / MIB:.0f}"
    if field.endswith("_hertz"):
        return f"{value / 1e6:.0f}"
    return f"{value:.2f}" if field.endswith("_watts") else str(value)


def theirs(row: dict[str, str], field: str) -> str:
    """The same value of nvidia-smi, in one notation."""
    value = row[QUERY[field]]
    if value.startswith("["):  # [N/A], [Not Supported]
        return "[N/A]"
    return value.lower()[-12:] if field == "pci_address" else value


def compare(device: Device, row: dict[str, str]) -> bool:
    """Print one device; whether what must be equal is."""
    good = True
    for field in QUERY:
        mine, other = ours(device, field), theirs(row, field)
        known = "[N/A]" not in (mine, other)
        differs = mine != other and (field in FIXED or not known)
        good &= not differs
        note = "DIFFERS" if differs else ""
        if field not in FIXED and known:
            note = f"{float(mine) - float(other):+.2f}"
        print(f"{field:24}{mine:>44}{other:>44}  {note}")
    return good


def main() -> None:
    """Compare every device, then list the processes of both."""
    said = probed(*sys.argv[1:2])
    for problem in said.problems:
        print(f"problem: {problem}")
    rows = {row["uuid"]: row for row in nvidia_smi("gpu", list(QUERY.values()))}
    devices = {device.uuid: device for device in said.devices if device.vendor == "NVIDIA"}
    good = devices.keys() == rows.keys()
    print(f"{'':24}{'probe':>44}{'nvidia-smi':>44}")
    for uuid in sorted(devices.keys() | rows.keys()):
        if uuid not in devices or uuid not in rows:
            print(f"only {'nvidia-smi' if uuid in rows else 'the probe'} knows {uuid}")
            continue
        good &= compare(devices[uuid], rows[uuid])
        print(f"unsupported: {', '.join(devices[uuid].unsupported) or 'nothing'}; {devices[uuid].status}\n")
    for uuid, device in sorted(devices.items()):
        for process in device.processes or []:
            size = "unknown" if process.used_bytes is None else f"{process.used_bytes / MIB:.0f} MiB"
            print(f"probe       {uuid}  pid {process.pid} (host {process.host_pid})  {size}")
    for row in nvidia_smi("compute-apps", ["gpu_uuid", "pid", "used_memory"]):
        print(f"nvidia-smi  {row['gpu_uuid']}  pid {row['pid']}  {row['used_memory']} MiB")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
