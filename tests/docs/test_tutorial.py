"""The tutorial is true: its files, written down as they stand, run, pass their own tests and satisfy mypy."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the tutorial's files, each named in its first line."""
    for name, text in re.findall(r"^```python\n# (\S+)\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    (settings,) = re.findall(r"^```ini\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)
    (tmp_path / "pytest.ini").write_text(settings)
    assert {path.name for path in tmp_path.glob("*.py")} == {"stock.py", "clerk.py", "main.py", "test_shop.py"}
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=55, check=False)


def test_the_program_prints_what_the_page_shows(project: Path) -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)
    done = run(project, "main.py")
    assert (done.stdout, done.stderr) == (shown, "")


def test_the_tests_on_the_page_pass(project: Path) -> None:
    done = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert "4 passed" in done.stdout, done.stdout


def test_mypy_strict_has_no_complaint(project: Path) -> None:
    done = run(project, "-m", "mypy", "--strict", "--cache-dir", str(ROOT / ".mypy_cache" / "tutorial"), ".")
    assert done.returncode == 0, done.stdout + done.stderr
