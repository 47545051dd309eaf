"""The guide's monitoring loop: every 15 seconds a line, and a warning for each of three thresholds.

    python examples/monitor.py --seconds 15 --rounds 4

A value that the machine does not have is left out. AURA_URL says where the daemon is.
"""

import argparse
import asyncio
import sys

import msgspec

import aura_actors
from aura_actors.errors import AuraError
from aura_actors.wire.metrics import SystemMetrics

CPU_PERCENT, MEMORY_PERCENT, GPU_CELSIUS = 90.0, 85.0, 85.0


def warnings(sample: SystemMetrics) -> list[str]:
    """What is above its threshold."""
    readings = [
        ("CPU", sample.cpu.overall_usage_percent, CPU_PERCENT, "%"),
        ("memory", sample.memory.usage_percent, MEMORY_PERCENT, "%"),
        *((f"GPU {gpu.index}", gpu.temperature_celsius, GPU_CELSIUS, "°C") for gpu in sample.gpus),
    ]
    return [
        f"{name} {value:.0f} {unit}" for name, value, limit, unit in readings if value is not None and value > limit
    ]


async def main() -> None:
    """Follow the feed; it is connected again by itself."""
    parser = argparse.ArgumentParser(description="Print a line about the machine every so often.")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=0, help="0: until it is interrupted")
    options = parser.parse_args()
    async with aura_actors.connect() as aura:
        count = 0
        async for frame in aura.subscribe("system", interval=options.seconds):
            sample = msgspec.json.decode(frame.data, type=SystemMetrics)
            above = warnings(sample)
            print(sample.timestamp.isoformat(), f"WARNING {', '.join(above)}" if above else "ok", flush=True)
            count += 1
            if count == options.rounds:
                break


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except AuraError as error:
        sys.exit(str(error))
