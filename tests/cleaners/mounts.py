"""`python -m tests.cleaners.mounts CASE PLACE`: a sweep of a root with mounts in it; prints what came of it.

Run in a mount namespace of its own, where everything that is mounted is gone with the process.
"""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from aura_actors.cleaners import Purge, Swept
from aura_actors.stores.quarantine import QuarantineStore
from tests.cleaners.conftest import Yard


def mount(*arguments: object) -> None:
    """As the command."""
    subprocess.run(["mount", *map(str, arguments)], check=True)


def mounts(yard: Yard) -> Swept:
    """A bind mount of the outside, one within the root, and another file system."""
    yard.file("a")
    yard.file("folder/b")
    for name in ("bound", "folder/memory", "inner"):
        (yard.root / name).mkdir()
    yard.file("folder/b")
    mount("--bind", yard.outside, yard.root / "bound")
    mount("--bind", yard.root / "inner", yard.root / "inner")
    mount("-t", "tmpfs", "none", yard.root / "folder" / "memory")
    return yard.sweep()


def file(yard: Yard) -> Swept:
    """A file of the outside, bound over one of the root's."""
    yard.file("a")
    over = yard.file("b")
    mount("--bind", yard.outside / "precious", over)
    return yard.sweep()


def read_only(yard: Yard) -> Swept:
    """A root that cannot be written."""
    yard.file("a")
    mount("--bind", yard.root, yard.root)
    mount("-o", "remount,bind,ro", yard.root)
    return yard.sweep()


def quarantine(yard: Yard) -> Swept:
    """Somebody mounted something where the quarantine is."""
    yard.file("a")
    (yard.root / ".aura-trash").mkdir(mode=0o700)
    mount("-t", "tmpfs", "-o", "mode=0700", "none", yard.root / ".aura-trash")
    return yard.sweep()


def full(yard: Yard) -> Swept:
    """Every inode of the root's file system is taken."""
    for n in range(30):
        try:
            yard.file("a" if n == 0 else f"f{n}", content="")
        except OSError:
            break
    return yard.sweep()


def no_block_left(yard: Yard) -> Swept:
    """The disk is full to the last block, and an ordinary run has kept its reserve."""
    yard.file("a", content="x" * 4096)
    yard.journal.close()
    with open(yard.data_dir / "fill", "wb", buffering=0) as fill, suppress(OSError):  # noqa: PTH123
        while True:
            fill.write(b"x" * 4096)
    yard.journal = QuarantineStore(yard.data_dir / "quarantine.db")
    yard.sweep()
    return yard.run(Purge(), urgent=True)


CASES = {
    "mounts": mounts,
    "file": file,
    "read-only": read_only,
    "quarantine": quarantine,
    "full": full,
    "no-block-left": no_block_left,
}
FILE_SYSTEMS = {"full": "nr_inodes=16", "no-block-left": "size=16m"}


def main() -> None:
    """Make the tree, sweep it, and say what is left."""
    case, place = sys.argv[1], Path(sys.argv[2])
    if case in FILE_SYSTEMS:
        mount("-t", "tmpfs", "-o", FILE_SYSTEMS[case], "none", place)
    yard = Yard(place)
    swept = CASES[case](yard)
    names = sorted(p.name for p in yard.root.iterdir() if p.is_file() and not p.name.startswith(".aura"))
    outside = sorted(p.name for p in yard.outside.iterdir())
    print(json.dumps({"swept": msgspec.to_builtins(swept), "names": names, "outside": outside}))


if __name__ == "__main__":
    main()
