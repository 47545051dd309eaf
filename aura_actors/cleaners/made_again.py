"""A folder that was there before, made again: with the permissions that it had, at no moment with others.

Owns that a kill right after it was made leaves nothing to put right, as far as one call can do that; the next
attempt does the rest. Refuses to know why it is made.
"""

import errno
import os
import stat

from aura_actors.cleaners.cursor import open_directory

AT_ONCE = 0o1777
"""The permissions that mkdir(2) gives. The rest takes a second call: set-user-ID, and set-group-ID, which it takes
from the folder above."""


def make_again(name: str, mode: int, dir_fd: int) -> None:
    """Make it with these permissions, whatever the umask. One that is there already is as good.

    The umask is the process's, so no thread beside this one may make files. Raises `NotADirectoryError` for
    anything else that has the name, `OSError`.
    """
    made = _make(name, mode & AT_ONCE, dir_fd)
    found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    permissions = stat.S_IMODE(found.st_mode)
    half_made = not (permissions ^ mode) & AT_ONCE and found.st_uid == os.geteuid()
    if (made or half_made) and permissions != mode:
        _give(name, mode, dir_fd)


def _make(name: str, mode: int, dir_fd: int) -> bool:
    umask = os.umask(0)
    try:
        os.mkdir(name, mode, dir_fd=dir_fd)
    except FileExistsError:
        return False
    finally:
        os.umask(umask)
    return True


def _give(name: str, mode: int, dir_fd: int) -> None:
    fd = open_directory(name, dir_fd=dir_fd)
    try:
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
