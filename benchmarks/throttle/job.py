"""The same job as `job.c`, for machines without a compiler: its interpreter counts as a part of its memory."""

import ctypes
import mmap
import os
import signal
import sys
import time
from pathlib import Path

STEP_BYTES = 16 * 2**20
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Wait, take memory over the ramp, hold it."""
    size, ramp_seconds, hold_seconds, crashes_after = int(sys.argv[1]), *map(float, sys.argv[2:5])
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[5]):  # it had gone before it could be asked about
        return
    _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_text().split())
    size -= (resident - shared) * mmap.PAGESIZE
    if not os.read(0, 1):
        return
    began = time.monotonic()

    def sleep_until(when: float) -> None:
        until = min(when, began + crashes_after) if crashes_after > 0 else when
        time.sleep(max(0.0, until - time.monotonic()))
        if until < when:
            os.kill(os.getpid(), signal.SIGTERM)

    if size > 0:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for at in range(0, size, STEP_BYTES):
            sleep_until(began + ramp_seconds * at / size)
            for byte in range(at, min(size, at + STEP_BYTES), mmap.PAGESIZE):
                memory[byte] = 1
    sleep_until(began + ramp_seconds)
    sleep_until(time.monotonic() + hold_seconds)


if __name__ == "__main__":
    main()
