"""Every command explains itself, and a wrong call is one line on stderr and exit status 2."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from aura_actors import _version
from aura_actors.cli import serve
from aura_actors.cli.app import run
from aura_actors.errors import AlreadyServed


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AURA_")]:
        monkeypatch.delenv(name)


def started(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command line as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "aura_actors", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "NO_COLOR"} | environ,
    )


@pytest.mark.parametrize(
    "command",
    [
        *[[], ["serve"], ["run"], ["status"], ["preflight"], ["openapi"], ["--install-completion"]],
        *[["config"], ["config", "show"], ["config", "check"]],
    ],
)
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0
    assert " ".join(["Usage: aura-actors", *command]) in capsys.readouterr().out


@pytest.mark.parametrize("command", [["run"], ["preflight"], ["top"], ["cleanup", "run"]])
def test_the_help_names_no_default_of_a_flag_and_fills_its_lines(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    run([*command, "--help"])
    said, _, options = capsys.readouterr().out.partition("╭")
    assert "[default: False]" not in options
    assert "[default: None]" not in options
    paragraphs = [each.splitlines() for each in said.split("\n\n")[1:]]
    assert all(len(line) > 60 for lines in paragraphs for line in lines[:-1])


def test_serve_has_the_options_of_the_interface(capsys: pytest.CaptureFixture[str]) -> None:
    run(["serve", "--help"])
    out = capsys.readouterr().out
    for option in ("--config", "--host", "--port", "--unix", "--data-dir", "--log-format", "--ready-file"):
        assert option in out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == _version.__version__


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["srve"], "srve"),
        (["serve", "--prot", "1"], "--prot"),
        (["serve", "--port", "abc"], "--port"),
        (["serve", "--port", "70000"], "--port"),
        (["serve", "--port"], "--port"),
        (["serve", "--log-format", "xml"], "--log-format"),
        (["serve", "--unix", ""], "--unix"),
        (["serve", "--host", ""], "--host"),
        (["serve", "--host", "0.0.0.0"], "AURA_HTTP__TOKEN"),
        (["serve", "--config", "/no/such/file"], "/no/such/file"),
        (["serve", "extra"], "nothing takes the argument extra\n"),
        (["preflight", "--memory", "2", "GiB", "x"], "nothing takes the argument GiB x\n"),
        (["config", "check"], "FILE"),
        (["config", "check", "/no/such/file"], "/no/such/file"),
        (["config", "show", "--config", "/no/such/file"], "/no/such/file"),
        (["status", "--nope"], "--nope"),
    ],
)
def test_a_wrong_call_is_one_line_that_names_what_is_wrong(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("aura-actors: ")
    assert captured.err.count("\n") == 1
    assert part in captured.err


def test_config_show_prints_a_configuration_with_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AURA_HTTP__TOKEN", "s3cret")
    file = tmp_path / "aura.toml"
    file.write_text("[admission]\nmax_jobs = 3")
    assert run(["config", "show", "--config", str(file)]) == 0
    out = capsys.readouterr().out
    assert tomllib.loads(out)["admission"]["max_jobs"] == 3
    assert f"max_jobs = 3  # {file}" in out
    assert "s3cret" not in out
    assert run(["config", "show", str(file)]) == 0
    assert capsys.readouterr().out == out


def test_config_check_says_ok_or_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "aura.toml"
    file.write_text("[http]\nport = 0")
    assert run(["config", "check", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: ok\n"
    file.write_text("[admission]\nbytes_perjob = 1")
    assert run(["config", "check", str(file)]) == 2
    expected = "admission.bytes_perjob: unknown key; did you mean bytes_per_job?"
    assert capsys.readouterr().err == f"aura-actors: {expected} (from {file})\n"
    file.write_text("[http]\nhost = '0.0.0.0'")
    assert run(["config", "check", str(file)]) == 2
    assert "AURA_HTTP__TOKEN" in capsys.readouterr().err


def test_completion_is_installed_for_the_named_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "aura-actors.fish"
    assert run(["--install-completion", "--shell", "fish", "--output", str(file)]) == 0
    assert "preflight" in file.read_text()


def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    install = [sys.executable, "-m", "aura_actors", "--install-completion", "--shell", "bash"]
    subprocess.run(
        [*install, "--output", str(tmp_path / "c")], env=environ, check=True, capture_output=True, timeout=20
    )
    ask = (
        'source c; COMP_CWORD=1; COMP_WORDS=(aura-actors to); _aura_actors; echo "${COMPREPLY[@]}"; '
        'COMP_CWORD=2; COMP_WORDS=(aura-actors top --in); _aura_actors; echo "${COMPREPLY[@]}"'
    )
    said = subprocess.run(
        ["bash", "--norc", "-c", ask],
        env=environ,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert said.stdout.split() == ["top", "--interval"]


def test_a_wrong_call_inside_nurseries_is_still_one_sentence() -> None:
    nested = BaseExceptionGroup("", [ExceptionGroup("", [AlreadyServed("the port is taken")])])
    with pytest.raises(AlreadyServed, match="the port is taken"):
        serve._raise_usage_error(nested)


def test_a_defect_beside_a_wrong_call_is_not_hidden() -> None:
    group = BaseExceptionGroup("", [AlreadyServed("the port is taken"), ValueError("defect")])
    with pytest.raises(BaseExceptionGroup) as caught:
        serve._raise_usage_error(group)
    assert caught.value is group


# --- as a process ---------------------------------------------------------------------------------------


def test_a_process_has_no_colour_in_pipes_and_no_traceback() -> None:
    shown = started("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\x1b" not in shown.stdout
    wrong = started("serve", "--port", "x")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.count("\n") == 1


def test_client_commands_load_neither_the_server_nor_a_loop() -> None:
    program = (
        "import sys\n"
        "from aura_actors.cli.app import run\n"
        "import aura_actors.cli.preflight, aura_actors.cli.run, aura_actors.collectors.cgroup_find\n"
        "assert run(['status', '--url', 'unix:/no/such/socket']) == 3\n"
        "assert run(['--help']) == 0\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "loaded = names & {'quart', 'quart_trio', 'hypercorn', 'psutil', 'pynvml', 'prometheus_client',\n"
        "    'trio', 'anyio', 'asyncio', 'httpx2', 'httpcore2', 'wsproto'}\n"
        "assert not loaded, loaded\n"
        "ours = [name for name in sys.modules if name.startswith(('aura_actors.edges', 'aura_actors.kernel'))]\n"
        "assert not ours, ours\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_early_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "aura_actors", "config", "show"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_full_disk_is_said_in_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "aura_actors", "openapi"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        "aura-actors: the output cannot be written: No space left on device\n",
    )


def test_a_terminal_without_unicode_shows_something_else() -> None:
    shown = started("config", "show", AURA_HTTP__UNIX="/run/☃.sock", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "/run/?.sock" in shown.stdout


LOADING = """
import os, signal, sys
from aura_actors.__main__ import main

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "aura_actors.cli.app":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Impatient())
sys.argv[1:] = ["status"]
main()
"""


def test_ctrl_c_while_a_command_is_loaded_is_no_traceback() -> None:
    """It takes half a second before anything is asked."""
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
