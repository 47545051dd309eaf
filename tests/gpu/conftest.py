"""A machine with graphics devices, made of files: a scripted NVML below the real binding, and a tree like sysfs."""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aura_actors.actors.gpu import Probe

SOURCE = Path(__file__).with_name("scripted_nvml.c")


class Machine:
    """A folder that stands for `/`, and a library for the child process to find."""

    def __init__(self, folder: Path, library: Path | None) -> None:
        self.root = folder / "root"
        self.script = folder / "script"
        (self.root / "sys/bus/pci/devices").mkdir(parents=True)
        (self.root / "sys/class/drm").mkdir(parents=True)
        self.environment = {"SCRIPTED_NVML": str(self.script)}
        if library is not None:
            paths = [str(library.parent), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
            self.environment["LD_LIBRARY_PATH"] = os.pathsep.join(paths)
        self.say()

    def say(self, *lines: str) -> None:
        """What the library does from now on."""
        fresh = self.script.with_suffix(".new")
        fresh.write_text("".join(f"{line}\n" for line in lines))
        fresh.replace(self.script)

    def put(self, path: str, content: str) -> None:
        """A file below the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")

    def plug_in(self, index: int = 0, *, power: str = "active") -> None:
        """The PCI device of NVML's device `index`."""
        folder = f"sys/bus/pci/devices/0000:{0x40 + index:02x}:00.0"
        self.put(f"{folder}/vendor", "0x10de")
        self.put(f"{folder}/class", "0x030200")
        self.put(f"{folder}/power/runtime_status", power)

    def calls(self) -> list[str]:
        """Every call of the library so far, as `function` or `function:device`."""
        log = self.script.with_suffix(".log")
        return log.read_text().splitlines() if log.exists() else []

    def probe(self, **changes: Any) -> Probe:
        """How an actor runs the probe on this machine."""
        return Probe(root=self.root, environment=self.environment, **changes)


def compiled(compiler: str, folder: Path, *options: str) -> Path:
    library = folder / "libnvidia-ml.so.1"
    command = [
        compiler,
        "-std=c11",
        "-O1",
        "-Wall",
        "-Werror",
        "-shared",
        "-fPIC",
        *options,
        "-o",
        str(library),
        str(SOURCE),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return library


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Sequence[str]], Path]:
    """Compile the scripted library once for each set of options."""
    made: dict[tuple[str, ...], Path] = {}

    def library(compiler: str, options: Sequence[str]) -> Path:
        key = tuple(options)
        if key not in made:
            made[key] = compiled(compiler, tmp_path_factory.mktemp("nvml"), *options)
        return made[key]

    return library


@pytest.fixture
def bare_machine(tmp_path: Path) -> Machine:
    """Without NVIDIA's library and without any device."""
    return Machine(tmp_path, None)


@pytest.fixture
def machine(
    tmp_path: Path, program: Callable[[str, str], str], libraries: Callable[[str, Sequence[str]], Path]
) -> Machine:
    """With one NVIDIA device and a library that does what the test says."""
    made = Machine(tmp_path, libraries(program("cc", "gcc"), ()))
    made.plug_in()
    return made


@pytest.fixture
def old_machine(
    tmp_path: Path, program: Callable[[str, str], str], libraries: Callable[[str, Sequence[str]], Path]
) -> Machine:
    """The same with a driver of years ago."""
    made = Machine(tmp_path, libraries(program("cc", "gcc"), ("-DOLD",)))
    made.plug_in()
    return made
