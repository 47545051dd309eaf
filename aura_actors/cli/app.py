"""The commands, and what their errors look like: one line on stderr and an exit status, never a traceback.

0 done · 1 preflight: would wait · 2 the call is wrong, or preflight: never · 3 the daemon could not be asked; `run`
has the statuses of a command, and its own (`client.run.exits`). An
exception outside our two families is a defect, and keeps its traceback. Knows no command's inside.
"""

import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

from aura_actors._version import __version__
from aura_actors.errors import Unavailable, UsageError

WRONG_CALL: Final = 2
NO_ANSWER: Final = 3
BROKEN_PIPE: Final = 141
"""What a shell reports for a program that SIGPIPE ended."""

COMMANDS: Final = {
    "serve": "Measure, admit, clean up and serve, until SIGTERM or Ctrl-C.",
    "run": (
        "Wait until there is room, then run a command and hold that room until it ends.\n\n"
        "The exit status is the command's, as a shell shows it: 128+N after signal N, 126 where it cannot be "
        "executed, 127 where it is not found. Of a command that never began: 2 wrong option, 65 never fits here, "
        "69 no daemon answers, 75 no room within --wait, 128+N signal N while it waited; each with a line on "
        "stderr."
    ),
    "top": "Show machine, jobs, cleanup and actors of a running daemon, live. In a pipe: a line per interval.",
    "status": "Show use, reservations, providers and actors of a running daemon.",
    "preflight": (
        "Ask whether a job would start: exit status 0 would start, 1 would wait, 2 never.\n\n"
        "Also 2 where an option is wrong, and 3 where no daemon answers; each with a line on stderr."
    ),
    "drain": "Admit nothing new (on), or begin again (off).",
    "openapi": "Print the OpenAPI document of the HTTP interface.",
}
"""Each is a function of its own name in a module of that name."""
CONFIG_COMMANDS: Final = {
    "show": "Print every setting with its value and where it comes from, as a configuration file.",
    "check": "Say whether `serve --config FILE` would accept this file, in this environment.",
}

JOBS_COMMANDS: Final = {
    "list_jobs": ("list", "List the jobs that hold a lease and those that wait."),
    "revoke_job": ("revoke", "End a job's lease, or take its place in the queue away."),
}
"""By function."""
CLEANUP_COMMANDS: Final = {
    "list_tasks": ("list", "List the cleanup tasks: when each runs next, and what its last run did."),
    "run_task": (
        "run",
        """Run one task now, or join the run that is under way, and say what it did.

        Exit status 0: done; 1: declined, failed, interrupted, or not all of it. Ctrl-C stops the run.
        """,
    ),
    "undo_run": ("undo", "Put back what a run took, as long as that lies in quarantine."),
}
"""By function."""


def build() -> App:
    """The command tree; each command's module is imported when it is needed."""
    app = App(
        name="aura-actors",
        help="Supervised actors that keep a machine doing heavy work usable: measure, admit, clean up, show.",
        version=__version__,
        help_format="plaintext",
        default_parameter=Parameter(negative=(), show_default=_default),
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    for name, summary in COMMANDS.items():
        app.command(f"aura_actors.cli.{name}:{name}", name=name, help=summary)
    config = App(name="config", help="Show the configuration, or check a file.")
    for name, summary in CONFIG_COMMANDS.items():
        config.command(f"aura_actors.cli.configuration:{name}", name=name, help=summary)
    app.command(config)
    jobs = App(name="jobs", help="List the jobs, or end one.")
    for function, (name, summary) in JOBS_COMMANDS.items():
        jobs.command(f"aura_actors.cli.jobs:{function}", name=name, help=summary)
    app.command(jobs)
    cleanup = App(name="cleanup", help="List the cleanup tasks, run one now, or undo a run.")
    for function, (name, summary) in CLEANUP_COMMANDS.items():
        cleanup.command(f"aura_actors.cli.cleanup:{function}", name=name, help=summary)
    app.command(cleanup)
    app.command(
        "aura_actors.cli.completion:install_completion",
        name="--install-completion",
        help="Install completion for this shell.",
    )
    return app


def _default(value: object) -> object:
    """What the help says of a default: nothing of a flag, which is not set unless it is given."""
    return None if value is None or value is False else value


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; the exit status."""
    _accept_any_text()
    try:
        status = build()(list(arguments))
        sys.stdout.flush()
    except UnusedCliTokensError as error:
        return _fail(UsageError(f"nothing takes the argument {' '.join(error.unused_tokens or ())}"), WRONG_CALL)
    except (CycloptsError, UsageError) as error:
        return _fail(error, WRONG_CALL)
    except Unavailable as error:
        return _fail(error, NO_ANSWER)
    except BrokenPipeError:
        # Whoever read us has gone. The interpreter flushes once more at exit, and must find somewhere to do so.
        _discard_output()
        return BROKEN_PIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _discard_output()
        return _fail(OSError(f"the output cannot be written: {error.strerror}"), 1)
    return status if isinstance(status, int) else 0


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: Exception, status: int) -> int:
    print(f"aura-actors: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def _accept_any_text() -> None:
    """A terminal without UTF-8 shows a question mark instead of ending the program."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  # started with `>&-`; open until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123  # started with `2>&-`; the same
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
