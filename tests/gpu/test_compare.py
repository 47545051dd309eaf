"""The comparison with nvidia-smi runs, and sees a difference; what nvidia-smi says is scripted as well."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.gpu.conftest import Machine

SCRIPT = Path(__file__).parents[2] / "docs" / "compare_gpu.py"
MIB = 2**20
UUID = "GPU-00000000-0000-0000-0000-000000000000"
DEVICE = f"{UUID}, Scripted 0, 570.00, 00000000:40:00.0, 1000, 300.00, [N/A], 250, 700, 50, 49, 70.00, 1410, 1593"


@pytest.mark.parametrize(
    ("row", "status", "text"),
    [
        (DEVICE, 0, "+5.50"),
        (DEVICE.replace("570.00", "560.00"), 1, "DIFFERS"),
        (DEVICE.replace("[N/A]", "10"), 1, "DIFFERS"),
        (DEVICE.replace("GPU-0", "GPU-1"), 1, "only nvidia-smi knows GPU-1"),
    ],
)
def test_what_must_be_equal_decides(machine: "Machine", tmp_path: Path, row: str, status: int, text: str) -> None:
    machine.say(
        "nvmlDeviceGetUtilizationRates return 3",
        f"nvmlDeviceGetMemoryInfo_v2 value {1000 * MIB} {50 * MIB} {250 * MIB}",
    )
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        f'#!/bin/sh\ncase "$1" in *compute-apps*) echo "{UUID}, 4711, 120" ;; *) echo "{row}" ;; esac\n'
    )
    tool.chmod(0o755)
    variables = machine.probe().variables()
    variables["PATH"] = f"{tmp_path}:{variables['PATH']}"
    done = subprocess.run(
        [sys.executable, SCRIPT, machine.root],
        env=variables,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == status
    assert text in done.stdout
    assert "pid 4711" in done.stdout
