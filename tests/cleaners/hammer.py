"""`python -m tests.cleaners.hammer ROOT SECONDS SEED`: uses files below a root at random, and says what it saw.

Opens, maps, executes, renames and rewrites them, as applications do that know nothing of any sweep. Whoever has a
file open finds it where it was, or under the name that another hammer gave it: never deleted, never in quarantine.
"""

import errno
import json
import mmap
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

FILES = 60


class Hammer:
    """One process's use of the files."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.chance = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.seed = seed
        self.made = 0

    def work(self, seconds: float) -> None:
        """Use files until the time is up."""
        uses = [self.read, self.read, self.read, self.map, self.rename, self.make, self.make, self.linger]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                (self.execute if self.chance.random() < 0.01 else self.chance.choice(uses))()
            except FileNotFoundError:
                self.seen["gone before it was opened"] += 1
            except OSError as error:
                if error.errno != errno.ETXTBSY:
                    raise
                self.seen["program under way"] += 1

    def read(self) -> None:
        """Open, look, read, look again, close."""
        with self.any().open("rb") as file:
            self.look(file.fileno())
            file.read()
            self.look(file.fileno())
        self.seen["opened"] += 1

    def linger(self) -> None:
        """Keep one open for a while."""
        with self.any().open("r+b") as file:
            self.look(file.fileno())
            time.sleep(self.chance.random() / 200)
            self.look(file.fileno())
        self.seen["opened"] += 1

    def map(self) -> None:
        """Map one, and close it."""
        with self.any().open("rb") as file:
            self.look(file.fileno())
            inode = os.fstat(file.fileno())
            if not inode.st_size:
                return  # it is being made
            mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        with mapped:
            time.sleep(self.chance.random() / 500)
            maps = Path("/proc/self/maps").read_text(errors="surrogateescape")
            lines = [line for line in maps.splitlines() if f" {inode.st_ino} " in line and str(self.root) in line]
            if any("(deleted)" in line or ".aura-trash" in line for line in lines):
                self.seen["LOST: mapped"] += 1
        self.seen["mapped"] += 1

    def execute(self) -> None:
        """Run one for a moment: while it runs, its program stays."""
        path = self.fresh("program")
        shutil.copy("/bin/sleep", path)
        try:
            process = subprocess.Popen([path, "0.05"])
        except (FileNotFoundError, OSError):
            self.seen["gone before it was opened"] += 1  # or still open for writing: swept, or being copied
            return
        time.sleep(0.03)
        with suppress(FileNotFoundError):  # it has ended already
            program = str(Path(f"/proc/{process.pid}/exe").readlink())
            if "(deleted)" in program or ".aura-trash" in program:
                self.seen["LOST: executed"] += 1
        process.wait()
        self.seen["executed"] += 1

    def rename(self) -> None:
        """Another name."""
        self.any().rename(self.fresh("renamed"))
        self.seen["renamed"] += 1

    def make(self) -> None:
        """A new file, while there are few."""
        if len(os.listdir(self.root)) < FILES:  # noqa: PTH208 - hot
            self.fresh("made").write_text("0123456789")
            self.seen["made"] += 1

    def any(self) -> Path:
        """Some file that is there now."""
        names = [name for name in os.listdir(self.root) if not name.startswith(".")]  # noqa: PTH208 - hot
        if not names:
            self.make()
            raise FileNotFoundError
        return self.root / self.chance.choice(names)

    def fresh(self, kind: str) -> Path:
        """A name that nobody has."""
        self.made += 1
        return self.root / f"{kind}-{self.seed}-{self.made}"

    def look(self, fd: int) -> None:
        """Whether an open file is where it can be found."""
        if os.fstat(fd).st_nlink == 0:
            self.seen["LOST: deleted"] += 1
        elif ".aura-trash" in str(Path(f"/proc/self/fd/{fd}").readlink()):
            self.seen["LOST: in quarantine"] += 1


def main() -> None:
    """Hammer, and print the counts."""
    hammer = Hammer(Path(sys.argv[1]), int(sys.argv[3]))
    hammer.work(float(sys.argv[2]))
    print(json.dumps(hammer.seen))


if __name__ == "__main__":
    main()
