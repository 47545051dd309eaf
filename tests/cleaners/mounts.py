"""`python -m tests.cleaners.mounts CASE PLACE`: a sweep of a root with mounts in it; prints what came of it.

Run in a mount namespace of its own, where everything that is mounted is gone with the process.
"""

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

import msgspec

from aura_actors.cleaners import Ground, Purge, Swept, TempFiles, Undo, prepare_root
from aura_actors.stores.quarantine import QuarantineStore
from aura_actors.stores.reserve import Reserve
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


def overlaid(yard: Yard) -> Swept:
    """The root's folders are two layers, as in a container: one file is of the lower one, one of the upper."""
    for name in ("lower/x", "upper", "work"):
        (yard.data_dir / name).mkdir(parents=True)
    (yard.data_dir / "lower" / "x" / "below").write_text("0123456789")
    layers = ",".join(
        f"{name}={yard.data_dir / folder}"
        for name, folder in (("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work"))
    )
    # An ordinary user's namespace may keep its marks, without which no folder can be renamed, in user.* alone.
    mount("-t", "overlay", "-o", f"{layers},userxattr", "none", yard.root)
    yard.ground = Ground(str(yard.root), prepare_root(str(yard.root), None, keep_out=str(yard.data_dir)))
    yard.file("x/above")
    taken = yard.run(TempFiles(), run_id="taken")
    assert taken.removed == 3, taken
    return yard.run(Undo("taken"))


def fill(yard: Yard) -> None:
    """Take every block that is free, as a program that goes on and on would."""
    with open(yard.data_dir / "fill", "ab", buffering=0) as file, suppress(OSError):  # noqa: PTH123
        while True:
            file.write(b"x" * 4096)


def room_is_made(yard: Yard) -> Swept:
    """A run and the emptying of quarantine, in a process that begins with the disk as it is."""
    yard.journal = QuarantineStore(yard.data_dir / "quarantine.db")
    yard.sweep()
    return yard.run(Purge(), urgent=True)


def no_block_left(yard: Yard) -> Swept:
    """The disk is full to the last block, and an ordinary run has kept its reserve."""
    yard.file("a", content="x" * 4096)
    yard.journal.close()
    fill(yard)
    return room_is_made(yard)


def kept_full(yard: Yard) -> Swept:
    """Another program takes whatever becomes free, for as long as the daemon only looks."""
    yard.file("a", content="x" * 4096)
    yard.journal.close()
    for _ in range(3):
        fill(yard)
        journal = QuarantineStore.look(yard.data_dir / "quarantine.db")
        journal.held()
        fill(yard)
        journal.close()
    fill(yard)
    return room_is_made(yard)


def raced(yard: Yard) -> Swept:
    """The other program is faster, three times, also while a run is at it."""
    left, spend = [3], Reserve.spend

    def spend_too_late(reserve: Reserve) -> bool:
        had = spend(reserve)
        if left[0]:
            left[0] -= 1
            fill(yard)
        return had

    with patch.object(Reserve, "spend", spend_too_late):
        swept = kept_full(yard)
    assert left == [0]
    return swept


CASES = {
    "mounts": mounts,
    "file": file,
    "read-only": read_only,
    "quarantine": quarantine,
    "full": full,
    "no-block-left": no_block_left,
    "overlaid": overlaid,
    "kept-full": kept_full,
    "raced": raced,
}
FULL = "size=16m"
FILE_SYSTEMS = {"full": "nr_inodes=16", "overlaid": FULL, "no-block-left": FULL, "kept-full": FULL, "raced": FULL}


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
