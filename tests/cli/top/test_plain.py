"""Without a terminal: a line per sample, or one picture, and never a control code."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from aura_actors.cli.app import run
from aura_actors.cli.top import lines, plain
from aura_actors.cli.top.state import State
from aura_actors.cli.top.watch import Watch
from aura_actors.wire.metrics import History
from tests.cli.top.conftest import TOP
from tests.cli.top.scenes import state, system
from tests.client.run.conftest import Daemon


def test_a_line_has_the_same_names_in_the_same_order() -> None:
    assert plain.line(state()) == (
        "2026-01-01T00:00:00.000Z cpu=40.0% memory=25.0% used=4.0GiB gpu0=73.0% received=5.0MiB/s sent=2.0KiB/s "
        "read=3.0MiB/s written=- jobs=1/10 queued=1 reserved=4.0GiB alerts=gpu"
    )


def test_what_is_not_known_is_no_zero() -> None:
    line = plain.line(state(system=system(cpu=None, gpus=[]), alerts=None, admission=None))
    assert " cpu=- " in line
    assert "gpu" not in line
    assert line.endswith("alerts=none")
    assert plain.line(State()) == "- alerts=none"


def top(daemon: Daemon, *options: str, **environ: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*TOP, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        encoding="utf-8", env={**os.environ, "AURA_URL": daemon.url, "PYTHONUTF8": "1", **environ},
    )  # fmt: skip


def test_a_pipe_gets_a_line_per_sample_until_there_are_enough(served: Daemon) -> None:
    out, err = top(served, "--count", "2").communicate(timeout=30)
    first, second = out.splitlines()
    assert re.fullmatch(r"\S+Z cpu=\S+ memory=\S+ .* jobs=0/\d+ queued=0 reserved=0B alerts=\S+", first)
    assert first.split()[0] < second.split()[0]
    assert err == ""


class Bursts(Watch):
    """Of which two samples at a time are heard."""

    async def change(self, within_seconds: float) -> None:
        assert self.samples < 10, "it does not end"
        self.state = state()
        self.samples += 2


async def test_samples_that_come_at_once_are_one_line_and_counted_as_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await lines.show(Bursts("http://nowhere", History(topic="system", epoch="e", entries=[])), 3) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_reader_that_leaves_ends_it_without_a_word(served: Daemon) -> None:
    process = top(served)
    assert process.stdout is not None
    assert process.stderr is not None
    assert "cpu=" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 141
    assert process.stderr.read() == ""
    process.stderr.close()


def test_ctrl_c_ends_it_without_a_word(served: Daemon) -> None:
    process = top(served)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 0


def test_a_lost_daemon_is_told_apart_from_the_lines(mortal: Daemon) -> None:
    process = top(mortal)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    mortal.kill()
    said = process.stderr.readline()
    assert said.startswith("aura-actors: ")
    assert said.endswith("; waiting for it\n")
    mortal.start()
    assert process.stderr.readline() == "aura-actors: connected again\n"
    assert "cpu=" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)


@pytest.mark.parametrize("columns", ["40", "120"])
def test_one_picture_is_plain_text_of_the_width_that_is_asked_for(served: Daemon, columns: str) -> None:
    out, err = top(served, "--once", COLUMNS=columns).communicate(timeout=30)
    assert err == ""
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= int(columns)
    for title in ("CPU ─", "Admission ─", "Cleanup ─", "Actors ─"):
        assert title in out


def test_one_picture_on_a_terminal_without_unicode(served: Daemon) -> None:
    out, _ = top(served, "--once", PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C").communicate(timeout=30)
    assert "CPU ---" in out
    assert "● " not in out


def test_no_daemon_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "--url", "http://127.0.0.1:1"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("aura-actors: no daemon answers at http://127.0.0.1:1: start one")
    assert captured.err.count("\n") == 1


def test_a_token_that_is_missing_or_wrong_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(tmp_path, AURA_HTTP__TOKEN="right-token")
    daemon.start()
    try:
        monkeypatch.delenv("AURA_TOKEN", raising=False)
        assert run(["top", "--url", daemon.url, "--count", "1"]) == 3
        assert "wants a token: set AURA_TOKEN or pass --token-file" in capsys.readouterr().err
        file = tmp_path / "token"
        file.write_text("wrong-token")
        assert run(["top", "--url", daemon.url, "--count", "1", "--token-file", str(file)]) == 3
        assert "does not accept this token" in capsys.readouterr().err
        file.write_text("right-token")
        assert run(["top", "--url", daemon.url, "--count", "1", "--token-file", str(file)]) == 0
        assert "cpu=" in capsys.readouterr().out
    finally:
        daemon.kill()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--interval", "3x"], "--interval: "),
        (["--interval", "10ms"], "--interval: "),
        (["--interval", "2m"], "--interval: "),
        (["--count", "0"], "--count: "),
        (["--once", "--count", "1"], "--once: "),
        (["--url", "ftp://x"], "--url: "),
    ],
)
def test_a_wrong_option_is_named(options: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"aura-actors: {named}")
    assert err.count("\n") == 1
