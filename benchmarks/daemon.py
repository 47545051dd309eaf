"""A daemon to measure: started as a process, with admission open to everything."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def start(folder: Path) -> "tuple[subprocess.Popen[bytes], str, float]":
    """Start a daemon; the process, its address, and seconds until it was ready."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-m", "aura_actors", "serve", "--port", "0", "--data-dir", str(folder / "data")]
    environ = {
        **os.environ,
        "AURA_ADMISSION__JOB_SLOTS": "1000",
        "AURA_ADMISSION__CPU_THRESHOLD_PERCENT": "100",
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--ready-file", str(ready)], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not ready.exists():
        time.sleep(0.002)
    return process, json.loads(ready.read_text())["http"], time.perf_counter() - began
