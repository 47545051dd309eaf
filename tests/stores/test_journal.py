"""The journal of leases: all or nothing, fences that only grow, and files that an older program wrote."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.errors import InvalidValue, StoreUnavailable
from aura_actors.stores.journal import Journal


def lease(fence: int, key: str = "a", expires_at: float = 130.0) -> Lease:
    return Lease(
        key=key,
        owner="me",
        secret=f"secret-{fence}",
        fence=fence,
        spec=JobSpec(memory_bytes=2**30),
        ttl_seconds=30.0,
        granted_at=100.0,
        expires_at=expires_at,
        granted_timestamp=1000.0,
    )


def journal(folder: Path, session: str = "one", boot: str = "boot") -> Journal:
    return Journal(folder / "journal.db", boot=boot, session=session)


def test_what_was_written_is_there_after_a_restart_with_its_full_time(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as first:
        first.recover(100.0)
        first.write([lease(1), lease(2, "b")], [])
        first.write([], [1])
    with closing(journal(tmp_path, session="two")) as second:
        recovered = second.recover(125.0)
        assert (recovered.fence, recovered.restarted) == (2, True)
        assert recovered.leases == (lease(2, "b", expires_at=155.0),)


def test_a_crash_of_the_actor_alone_gives_no_more_time(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as same:
        same.recover(100.0)
        same.write([lease(1)], [])
        recovered = same.recover(125.0)
        assert (recovered.leases, recovered.restarted) == ((lease(1),), False)


def test_a_write_that_fails_in_the_middle_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(journal(tmp_path)) as book:
        book.recover(100.0)
        book.write([lease(1)], [])

        def fail(*_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with monkeypatch.context() as patched:
            patched.setattr("aura_actors.stores.journal._count", fail)
            with pytest.raises(StoreUnavailable, match=r"journal\.db"):
                book.write([lease(2, "b")], [1])
        recovered = book.recover(100.0)
        assert (recovered.leases, recovered.fence) == ((lease(1),), 1)


def test_a_large_step_takes_no_more_statements_than_a_small_one(tmp_path: Path) -> None:
    """Each of them hands the interpreter's lock over: row by row a batch would wait for it a hundred times."""
    statements: list[str] = []

    def written(leases: list[Lease], erased: list[int]) -> int:
        statements.clear()
        book.write(leases, erased)
        return len(statements)

    with closing(journal(tmp_path)) as book:
        book.recover(100.0)
        assert book._connection is not None
        book._connection.set_trace_callback(statements.append)
        small = written([lease(1)], [])
        assert written([lease(fence, f"j{fence}") for fence in range(2, 66)], []) == small
        small = written([], [1])
        assert written([], list(range(2, 66))) == small


def test_a_step_of_any_size_is_written_whole(tmp_path: Path) -> None:
    leases = [lease(fence, f"j{fence}") for fence in range(1, 201)]
    with closing(journal(tmp_path)) as book:
        book.recover(100.0)
        book.write(leases, [])
        assert book.recover(100.0).leases == tuple(leases)
        book.write([lease(201, "new")], list(range(1, 200)))
        assert book.recover(100.0).leases == (leases[-1], lease(201, "new"))


def test_what_has_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    """A daemon that has granted millions writes as fast as a new one."""
    with closing(journal(tmp_path)) as book:
        book.recover(100.0)
        for first in range(1, 64 * 400, 64):
            book.write([lease(fence, f"j{fence}") for fence in range(first, first + 64)], [])
            book.write([], list(range(first, first + 64)))
        sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert sizes["journal.db"] < 128 * 1024
    assert sizes["journal.db-wal"] < 1.1 * 1000 * 4096, "SQLite writes back after 1,000 pages"


def test_fences_never_fall(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as book:
        book.recover(100.0)
        book.write([lease(10)], [])
        book.write([lease(9, "b")], [10, 9])
        assert book.recover(100.0).fence == 10
    with closing(journal(tmp_path, session="two", boot="another")) as book:
        assert book.recover(100.0).fence == 10


def test_leases_of_another_boot_are_void(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as book:
        book.recover(100.0)
        book.write([lease(1)], [])
    with closing(journal(tmp_path, session="two", boot="another")) as book:
        assert book.recover(5.0).leases == ()
    with closing(journal(tmp_path, session="three")) as book:
        assert book.recover(100.0).leases == (), "nor do they come back"


def test_a_file_that_was_replaced_is_not_written_to(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as book:
        book.recover(100.0)
        (tmp_path / "journal.db").rename(tmp_path / "elsewhere.db")
        with pytest.raises(StoreUnavailable):
            book.write([lease(1)], [])
        (tmp_path / "journal.db").touch()
        with pytest.raises(StoreUnavailable, match="another file has taken its place"):
            book.write([lease(1)], [])


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as book:
        book.recover(100.0)
        book.write([lease(fence, f"j{fence}") for fence in range(1, 200)], [])
    path = tmp_path / "journal.db"
    path.write_bytes(path.read_bytes()[:8192])
    with pytest.raises(StoreUnavailable), closing(journal(tmp_path, session="two")) as book:
        book.recover(100.0)


# --- files of the first version, as the program before this schema wrote them -----------------------------------


class OldJobSpec(msgspec.Struct, frozen=True, kw_only=True):
    memory_bytes: int
    requires_gpu: bool = False
    priority: str = "normal"
    kind: str | None = None


class OldSlotSpec(msgspec.Struct, frozen=True, kw_only=True):
    provider: str


def old_file(path: Path, *leases: tuple[str, int, object]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(
            """
            PRAGMA journal_mode = WAL;
            CREATE TABLE lease (fence INTEGER PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL) STRICT;
            CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
            PRAGMA user_version = 1;
            """
        )
        facts = [("boot", "boot"), ("session", "old"), ("fence", "7")]
        db.executemany("INSERT INTO fact VALUES (?, ?)", facts)
        for kind, fence, spec in leases:
            body = {
                "key": f"{kind}-{fence}",
                "owner": "me",
                "secret": f"secret-{fence}",
                "fence": fence,
                "spec": spec,
                "ttl_seconds": 30.0,
                "granted_at": 100.0,
                "expires_at": 130.0,
                "granted_timestamp": 1000.0,
            }
            db.execute("INSERT INTO lease VALUES (?, ?, ?)", (fence, kind, msgspec.msgpack.encode(body)))


def test_jobs_of_the_first_version_live_on_and_its_slots_are_let_go(tmp_path: Path) -> None:
    large = OldJobSpec(memory_bytes=2**31, requires_gpu=True, priority="high", kind="render")
    old_file(
        tmp_path / "journal.db",
        ("job", 3, OldJobSpec(memory_bytes=2**30)),
        ("slot", 4, OldSlotSpec(provider="OpenAI")),
        ("job", 5, large),
    )
    with closing(journal(tmp_path, session="new")) as book:
        recovered = book.recover(140.0)
        assert recovered.fence == 7
        assert [(each.key, each.fence, each.expires_at) for each in recovered.leases] == [
            ("job-3", 3, 170.0),
            ("job-5", 5, 170.0),
        ]
        assert recovered.leases[0].spec == JobSpec(memory_bytes=2**30)
        assert recovered.leases[1].spec == JobSpec(memory_bytes=2**31, priority="high", kind="render")
        book.write([lease(8)], [3])
    with closing(journal(tmp_path, session="newer")) as book:
        assert [each.fence for each in book.recover(140.0).leases] == [5, 8]


def test_an_empty_journal_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    old_file(tmp_path / "journal.db")
    with closing(journal(tmp_path)) as book:
        assert (book.recover(0.0).leases, book.recover(0.0).fence) == ((), 7)


def test_a_journal_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    with closing(journal(tmp_path)) as book:
        book.recover(0.0)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(InvalidValue, match="newer"), closing(journal(tmp_path)) as book:
        book.recover(0.0)
