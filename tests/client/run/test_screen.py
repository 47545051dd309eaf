"""What the wrapper says: lines where nobody watches, one line that is written over on a terminal."""

import io

from aura_actors.client.run.lease import Waiting
from aura_actors.client.run.screen import Screen
from aura_actors.wire.problems import Reason


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_where_nobody_watches_a_line_is_said_once_until_something_changes() -> None:
    stream = io.StringIO()
    screen = Screen(stream, {"TERM": "xterm"})
    for seconds in range(3):
        screen.wait(Waiting(position=2, text="full"), seconds)
    screen.wait(Waiting(position=1, text="full"), 3)
    screen.say("done")
    assert stream.getvalue() == (
        "aura-actors: waiting: place 2, full\naura-actors: waiting: place 1, full\naura-actors: done\n"
    )


def test_where_nobody_watches_numbers_that_change_are_a_line_a_minute() -> None:
    """A wait of hours in a log is not thousands of lines about how busy the processor was."""

    def short(dimension: str, text: str) -> Waiting:
        reason = Reason(
            dimension=dimension, needed=1, available=0, shortfall=1, holders=[], external=True, text=text
        )
        return Waiting(position=1, reasons=[reason])

    stream = io.StringIO()
    screen = Screen(stream, {})
    for seconds in range(0, 150, 5):
        screen.wait(short("cpu", f"{seconds} %"), seconds)
    screen.wait(short("memory", "all"), 151)
    assert stream.getvalue().replace("aura-actors: waiting: place 1, ", "").splitlines() == [
        "cpu: 0 %", "cpu: 60 %", "cpu: 120 %", "memory: all",
    ]  # fmt: skip


def test_on_a_terminal_the_line_is_written_over_and_taken_away() -> None:
    stream = Terminal()
    screen = Screen(stream, {"TERM": "xterm", "NO_COLOR": "1"})
    screen.wait(Waiting(text="full"), 59)
    screen.wait(Waiting(text="full"), 3_661)
    screen.say("done")
    assert stream.getvalue() == (
        "\r\x1b[Kaura-actors: waiting 0:59: full\r\x1b[Kaura-actors: waiting 1:01:01: full"
        "\r\x1b[Kaura-actors: done\n"
    )


def test_a_dumb_terminal_gets_lines() -> None:
    stream = Terminal()
    Screen(stream, {"TERM": "dumb"}).wait(Waiting(text="full"), 0)
    assert stream.getvalue() == "aura-actors: waiting: full\n"


def test_nothing_that_a_daemon_says_moves_the_cursor() -> None:
    stream = io.StringIO()
    Screen(stream, {}).say("\x1b[31mred\nline")
    assert stream.getvalue() == "aura-actors: \\x1b[31mred\\nline\n"


def test_a_stream_that_is_closed_is_no_reason_to_fail() -> None:
    stream = io.StringIO()
    stream.close()
    screen = Screen(io.StringIO(), {})
    screen._stream = stream
    screen.say("unheard")
