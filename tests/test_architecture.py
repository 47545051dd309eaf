"""The shape of the house: imports point inward, files are short and say what they own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aura_actors

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "aura_actors").rglob("*.py"))
LINES_AT_MOST = 400


def test_the_import_contracts_hold() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_says_what_it_owns(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_AT_MOST
    assert ast.get_docstring(ast.parse(text)), "a file begins with what it owns"


def test_every_public_name_is_there() -> None:
    for name in aura_actors.__all__:
        assert getattr(aura_actors, name) is not None
    with pytest.raises(AttributeError):
        _ = aura_actors.nothing_of_that_name


def test_importing_the_package_loads_no_server() -> None:
    code = (
        "import sys, aura_actors; print([m for m in ('trio', 'quart', 'psutil', 'hypercorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "[]"
