"""Build the wheel and use what it installed, away from the checkout: `make wheel`.

Finds what a test against the checkout cannot: a page that was not packed, a module that was left out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str, folder: Path, **environ: str) -> str:
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environ}, check=True, capture_output=True, text=True
    ).stdout


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), folder=ROOT)
        (wheel,) = folder.glob("*.whl")
        target = str(folder / "installed")
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps")
        run(*pip, "--target", target, str(wheel), folder=folder)
        where = run(
            sys.executable,
            "-c",
            "import aura_actors; print(aura_actors.__file__)",
            folder=folder,
            PYTHONPATH=target,
        )
        assert where.startswith(target), f"imported {where.strip()}, not the wheel"
        assert (Path(target) / "aura_actors" / "py.typed").exists(), "py.typed is not in the wheel"
        serve(folder, target)
    print(f"wheel ok: {wheel.name}")


def serve(folder: Path, target: str) -> None:
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "aura_actors", "serve", "--port", "0", "--data-dir", str(folder / "data")]
    daemon = subprocess.Popen(
        [*command, "--ready-file", str(ready)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": target},
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(1000):
            if ready.exists():
                break
            time.sleep(0.02)
        http = json.loads(ready.read_text())["http"]
        for path in ("/", "/static/app.js", "/static/aura-feed.js", "/openapi.json", "/health/ready", "/metrics"):
            with urllib.request.urlopen(http + path, timeout=10) as answer:
                assert answer.status == 200, path
                assert answer.read(), path
    finally:
        daemon.terminate()
        assert daemon.wait(timeout=10) == 0


if __name__ == "__main__":
    main()
