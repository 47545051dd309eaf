"""What the files of one process in `/proc` say. Pure; a text that is odd is None."""

from aura_actors.domain.attribution import Part
from aura_actors.domain.lineage import Row


def parse_stat(text: str | None) -> Row | None:
    """`/proc/<pid>/stat`. The name in the second field may hold spaces and parentheses."""
    head, separator, tail = (text or "").rpartition(")")
    fields = tail.split(None, 21)
    if not separator or len(fields) < 20:
        return None
    try:
        return Row(
            pid=int(head.partition(" ")[0]),
            parent=int(fields[1]),
            process_group=int(fields[2]),
            session=int(fields[3]),
            start_ticks=int(fields[19]),
            cpu_ticks=int(fields[11]) + int(fields[12]),
        )
    except ValueError:
        return None


def parse_statm(text: bytes | str | None, page_bytes: int) -> tuple[int, int] | None:
    """`/proc/<pid>/statm`: anonymous bytes, and those of files and shared memory together."""
    fields = (text or b"").split(None, 3)
    if len(fields) < 4:
        return None
    resident, shared = int(fields[1]), int(fields[2])
    return max(0, resident - shared) * page_bytes, shared * page_bytes


def shared_memory_of(status: str | None) -> int | None:
    """Bytes of `RssShmem` in `/proc/<pid>/status`: shared memory without the pages of files."""
    return kilobytes(status, "RssShmem")


def proportional_of(rollup: str | None) -> Part | None:
    """`/proc/<pid>/smaps_rollup`: each page divided by the number of processes that map it; files left out.

    Kernels before 5.4 do not tell files apart, and give None.
    """
    anonymous, shared = kilobytes(rollup, "Pss_Anon"), kilobytes(rollup, "Pss_Shmem")
    return None if anonymous is None or shared is None else Part(anonymous, shared)


def parse_threads(stat: str | None) -> int | None:
    """How many threads there are, by `/proc/<pid>/stat`."""
    fields = (stat or "").rpartition(")")[2].split(None, 18)
    return int(fields[17]) if len(fields) > 17 and fields[17].isdigit() else None


def kilobytes(text: str | None, name: str) -> int | None:
    """Bytes of one line of a table that tells them in kB."""
    _, found, rest = f"\n{text or ''}".partition(f"\n{name}:")
    number = rest.partition("kB")[0].strip()
    return int(number) * 1024 if found and number.isdigit() else None
