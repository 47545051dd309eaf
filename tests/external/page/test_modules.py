"""The page's modules that need no document, tested where they run without one."""

import shutil
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"


@pytest.mark.external
def test_the_feed_client_and_the_timeline_pass_their_own_tests(
    program: Callable[[str, str], str], tmp_path: Path
) -> None:
    node = program("node", "nodejs")
    with resources.as_file(resources.files("aura_actors.edges") / "web" / "static") as static:
        shutil.copytree(static, tmp_path / "static")
    tests = [str(shutil.copy(file, tmp_path)) for file in sorted(NODE.iterdir())]
    (tmp_path / "package.json").write_text('{"type": "module"}')  # what a browser knows from the script's tag
    command = [node, "--test", *(each for each in tests if each.endswith(".test.mjs"))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 28\n" in done.stdout
