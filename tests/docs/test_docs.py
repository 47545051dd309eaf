"""The documentation is true: snippets run as pasted, generated pages are current, links lead somewhere."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.scripts import ROOT, script

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def snippets(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A daemon as the README starts it, on a free port instead of 8080."""
    ready = tmp_path / "ready.json"
    options = ["--port", "0", "--data-dir", str(tmp_path / "data"), "--ready-file", str(ready)]
    quiet = {"AURA_ADMISSION__CPU_THRESHOLD_PERCENT": "100"}
    process = subprocess.Popen(
        [sys.executable, "-m", "aura_actors", "serve", *options],
        env={**os.environ, **quiet},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(1500):
            if ready.exists():
                break
            time.sleep(0.01)  # another process: there is nothing to wait on but its file
        yield json.loads(ready.read_text())["http"]
    finally:
        process.terminate()
        process.wait(timeout=10)


def test_the_readmes_curl_lines_work_as_pasted(url: str) -> None:
    questions, life = [block for block in snippets("sh") if "curl" in block]
    lines = [line for line in questions.splitlines() if line.startswith("curl")]
    assert len(lines) == 3
    for line in lines:
        done = subprocess.run(
            ["bash", "-ec", line.replace("http://127.0.0.1:8080", url)],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        answer = json.loads(done.stdout)
        assert "status" not in answer, f"{line} was answered {answer}"
    done = subprocess.run(
        ["bash", "-ec", life.replace("http://127.0.0.1:8080", url)],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert json.loads(done.stdout)["jobId"] == "video-124"


def test_the_feed_pages_client_works_as_pasted(url: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "feed.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    script = tmp_path / "client.py"
    script.write_text(snippet.replace("ws://127.0.0.1:8080", url.replace("http", "ws", 1)))
    process = subprocess.Popen([sys.executable, "-u", str(script)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "system" in process.stdout.readline()
        assert process.stdout.readline().split()[0].isdigit()
    finally:
        process.kill()
        process.communicate()


def test_the_commands_of_the_page_about_run_work_as_pasted(url: str) -> None:
    page = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
    lines = re.findall(r"^aura-actors run .*$", page, re.MULTILINE)
    environ = {**os.environ, "AURA_URL": url, "AURA_ADMISSION__MEMORY_THRESHOLD_PERCENT": "100"}
    statuses = []
    for line in lines:
        pasted = line.replace("aura-actors", f"{sys.executable} -m aura_actors", 1)
        done = subprocess.run(["sh", "-c", pasted], env=environ, capture_output=True, timeout=30, check=False)
        statuses.append(done.returncode)
    assert statuses == [3, 0, 0, 0]


def test_the_readmes_python_snippets_work_as_pasted(url: str, tmp_path: Path) -> None:
    embedded, client = snippets("python")
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    for snippet in (embedded, client.replace("http://127.0.0.1:8080", url)):
        script = tmp_path / "snippet.py"
        script.write_text(snippet)
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, timeout=30, check=False, env=environ
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("rendering under fence")


def test_the_generated_pages_are_current() -> None:
    for name, text in script("generate").pages().items():
        assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == text, (
            f"{name} is stale: python docs/generate.py"
        )


def test_the_schema_of_the_feed_is_current() -> None:
    generate = script("generate")
    assert generate.SCHEMA.read_text(encoding="utf-8") == generate.schema(), "python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target
