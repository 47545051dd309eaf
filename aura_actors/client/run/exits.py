"""Exit statuses of the wrapper: the command's own as a shell shows it, and those of a command that never began.

A status of the second sort always comes with a line on stderr that begins with `aura-actors:`.
"""

import os
from typing import Final

USAGE: Final = 2
"""An option is wrong, or the job's id is somebody else's: the same call will fail again."""
NEVER_FITS: Final = 65
"""EX_DATAERR: it asks for more than this machine or its budget has."""
NO_DAEMON: Final = 69
"""EX_UNAVAILABLE: no daemon answers, or it does not let us in."""
NOT_NOW: Final = 75
"""EX_TEMPFAIL: there was no room within `--wait`, or its place was taken away."""
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
_SIGNALLED: Final = 128


def of_signal(number: int) -> int:
    """What a shell shows for an end by this signal."""
    return _SIGNALLED + number


def of_status(wait_status: int) -> int:
    """What a shell shows for what `waitpid` said."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else of_signal(-code)


def of_exec(error: OSError) -> int:
    """What a shell shows for a command that could not be executed."""
    return NOT_FOUND if isinstance(error, FileNotFoundError | NotADirectoryError) else NOT_EXECUTABLE
