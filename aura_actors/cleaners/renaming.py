"""Moving one entry from one open directory to another, never onto anything.

Owns renameat2(2) with RENAME_NOREPLACE, and what stands in for it where the file system does not have it: a second
link, then the end of the first. Refuses to know why something is moved.
"""

import ctypes
import errno
import os

_NOREPLACE = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAMEAT2 = getattr(_LIBC, "renameat2", None)
_HAS_NO_SUCH_CALL = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


def move(name: str, from_fd: int, new_name: str, to_fd: int) -> None:
    """Rename within one file system. Raises `FileExistsError` where the new name is taken, `OSError` otherwise.

    A move that was killed between link and unlink is completed: both names are of one file then.
    """
    code = _rename_no_replace(name, from_fd, new_name, to_fd)
    if code in _HAS_NO_SUCH_CALL:
        _link_and_unlink(name, from_fd, new_name, to_fd)
    elif code == errno.EEXIST and _one_file(name, from_fd, new_name, to_fd):
        os.unlink(name, dir_fd=from_fd)
    elif code:
        raise OSError(code, os.strerror(code), name)


def _rename_no_replace(name: str, from_fd: int, new_name: str, to_fd: int) -> int:
    if _RENAMEAT2 is None:
        return errno.ENOSYS
    if _RENAMEAT2(from_fd, os.fsencode(name), to_fd, os.fsencode(new_name), _NOREPLACE) == 0:
        return 0
    return ctypes.get_errno()


def _link_and_unlink(name: str, from_fd: int, new_name: str, to_fd: int) -> None:
    try:
        os.link(name, new_name, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except FileExistsError:
        if not _one_file(name, from_fd, new_name, to_fd):
            raise
    try:
        os.unlink(name, dir_fd=from_fd)
    except OSError:
        os.unlink(new_name, dir_fd=to_fd)
        raise


def _one_file(name: str, from_fd: int, new_name: str, to_fd: int) -> bool:
    one = os.stat(name, dir_fd=from_fd, follow_symlinks=False)
    other = os.stat(new_name, dir_fd=to_fd, follow_symlinks=False)
    return os.path.samestat(one, other)
