"""Moving one entry from one open directory to another, never onto anything.

Owns renameat2(2) with RENAME_NOREPLACE, and what stands in for it where the file system does not have it. Refuses
to know why something is moved.
"""

import ctypes
import errno
import os

_NOREPLACE = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_RENAMEAT2 = getattr(_LIBC, "renameat2", None)
_HAS_NO_SUCH_CALL = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}


def move_away(name: str, from_fd: int, own_name: str, own_fd: int) -> None:
    """Rename to a name that nobody but this program gives, in a folder of its own. Raises `OSError`.

    Where the file system knows no RENAME_NOREPLACE, a plain rename does, since nobody can take the new name
    meanwhile; unlike a link and an unlink, it never ends what has come to have the old name. It is shown first that
    a link can be made, since the way back needs one.
    """
    code = _rename_no_replace(name, from_fd, own_name, own_fd)
    if code in _HAS_NO_SUCH_CALL:
        _demand_links(name, from_fd, own_name, own_fd)
        os.rename(name, own_name, src_dir_fd=from_fd, dst_dir_fd=own_fd)
    elif code:
        raise OSError(code, os.strerror(code), name)


def move_back(own_name: str, own_fd: int, name: str, to_fd: int) -> None:
    """The inverse. Raises `FileExistsError` where the name is taken, `OSError` otherwise.

    Where it takes a link and an unlink, and was killed between the two, it is completed: both names are of one file
    then. The name that ends is one that nobody else gives.
    """
    code = _rename_no_replace(own_name, own_fd, name, to_fd)
    if code in _HAS_NO_SUCH_CALL:
        _link_and_unlink(own_name, own_fd, name, to_fd)
    elif code == errno.EEXIST and _one_file(own_name, own_fd, name, to_fd):
        os.unlink(own_name, dir_fd=own_fd)
    elif code:
        raise OSError(code, os.strerror(code), own_name)


def _rename_no_replace(name: str, from_fd: int, new_name: str, to_fd: int) -> int:
    if _RENAMEAT2 is None:
        return errno.ENOSYS
    if _RENAMEAT2(from_fd, os.fsencode(name), to_fd, os.fsencode(new_name), _NOREPLACE) == 0:
        return 0
    return ctypes.get_errno()


def _demand_links(name: str, from_fd: int, own_name: str, own_fd: int) -> None:
    os.link(name, own_name, src_dir_fd=from_fd, dst_dir_fd=own_fd, follow_symlinks=False)
    try:
        os.unlink(own_name, dir_fd=own_fd)
    except OSError:
        os.unlink(own_name, dir_fd=own_fd)  # once more: nobody would know what it is
        raise


def _link_and_unlink(own_name: str, own_fd: int, name: str, to_fd: int) -> None:
    try:
        os.link(own_name, name, src_dir_fd=own_fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except FileExistsError:
        if not _one_file(own_name, own_fd, name, to_fd):
            raise
    os.unlink(own_name, dir_fd=own_fd)  # should this fail, the next attempt finds one file with both names


def _one_file(name: str, from_fd: int, new_name: str, to_fd: int) -> bool:
    one = os.stat(name, dir_fd=from_fd, follow_symlinks=False)
    other = os.stat(new_name, dir_fd=to_fd, follow_symlinks=False)
    return os.path.samestat(one, other)
