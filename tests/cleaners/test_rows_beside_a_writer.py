"""Rows are archived while an application goes on writing, and how long it has to wait for that.

Short here; `make rows-beside-a-writer` takes 250,000 rows and holds the longest wait to 250 ms.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aura_actors.cleaners import ActionLogs, Vacuum
from tests.cleaners.household import DAY, Household

ROWS = int(os.environ.get("AURA_ROWS", "5000"))
LONG = ROWS >= 250_000
LONGEST_WAIT_SECONDS = 0.25

WRITER = """
import json, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
waits = []
print("ready", flush=True)
while True:
    began = time.monotonic()
    db.execute("INSERT INTO action_logs (at, actor, action, outcome) VALUES (?, 'a', 'b', 'c')", sys.argv[2:3])
    waits.append(time.monotonic() - began)
    if time.monotonic() > float(sys.argv[3]) or db.execute("SELECT count(*) FROM stop").fetchone()[0]:
        break
    time.sleep(0.002)
print(json.dumps({"writes": len(waits), "longest": max(waits), "mean": sum(waits) / len(waits)}))
"""


@pytest.mark.timeout(600)
def test_rows_are_archived_and_pages_given_back_beside_a_writer_that_hardly_waits(
    tmp_path: Path,
) -> None:
    house = Household(tmp_path / "data")  # on a disk, unlike other tests: this is about how long a disk takes
    house.db.execute("CREATE TABLE stop (x)")
    house.db.execute("BEGIN")
    house.actions(ROWS)
    house.db.execute("COMMIT")
    house.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = house.database.stat().st_size
    later, until = time.time() + 200 * DAY, time.monotonic() + 500
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(house.database), str(later), str(until)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    writer.stdout.readline()
    began = time.monotonic()
    swept = house.run(ActionLogs(), days=91)
    archived = time.monotonic() - began
    vacuumed = house.run(Vacuum())
    house.db.execute("INSERT INTO stop VALUES (1)")
    said, _ = writer.communicate(timeout=60)
    found = json.loads(said)
    print(
        f"{ROWS} rows archived in {archived:.1f} s ({ROWS / archived:.0f} rows/s), {vacuumed.freed_bytes} of {size}"
        f" bytes given back; beside {found['writes']} writes, longest wait {found['longest'] * 1e3:.1f} ms, "
        f"mean {found['mean'] * 1e3:.2f} ms"
    )
    assert (swept.outcome, swept.removed) == ("done", ROWS)
    assert vacuumed.outcome == "done", vacuumed
    assert house.db.execute("SELECT count(*) FROM action_logs").fetchone() == (found["writes"],)
    assert house.db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert found["writes"] > 5
    house.close()
    if LONG:
        assert found["longest"] <= LONGEST_WAIT_SECONDS
