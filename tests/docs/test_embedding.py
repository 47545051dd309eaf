"""The page about a runtime in a program is true: its program runs as pasted."""

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.scripts import ROOT

PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
(PROGRAM,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_program_works_as_pasted(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    calm = PROGRAM.replace("job_slots=2", "job_slots=2, cpu_threshold_percent=100")
    assert calm != PROGRAM
    script.write_text(calm, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=30, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = sorted(done.stdout.splitlines())
    assert [re.sub(r"\d+$", "", line) for line in lines[1:]] == [f"render-{n} under fence " for n in range(3)]
    assert lines[0] == "huge never: memory_limit: more than the configured memory_limit"
    assert (tmp_path / "renders" / "pid").exists()
