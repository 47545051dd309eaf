"""The SDK's page is true: each snippet runs as pasted against a daemon."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.scripts import ROOT
from tests.docs.test_docs import url

PAGE = (ROOT / "docs" / "sdk.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SAID = ["rendering under fence", "never: memory", "2 under fence", r"^\d+ \d"]

__all__ = ["url"]


@pytest.mark.parametrize(("snippet", "said"), list(zip(SNIPPETS, SAID, strict=True)), ids=SAID)
def test_a_snippet_works_as_pasted(url: str, tmp_path: Path, snippet: str, said: str) -> None:
    script = tmp_path / "snippet.py"
    script.write_text(snippet.replace("http://127.0.0.1:8080", url))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(said, done.stdout), done.stdout
