"""A house for each test, closed at its end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.actors.cleanup.house import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    yield made
    made.script.gate.set()
    made.finished.close()
    made.reports.close()
    made.store.close()
