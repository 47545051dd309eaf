"""What operators are given for Grafana and Prometheus names metrics that are there, and is current."""

import re
from pathlib import Path

import httpx2
import pytest

from aura_actors.testing import open_test_runtime
from tests.docs.scripts import ROOT, script


def names(text: str) -> set[str]:
    return set(re.findall(r"\b(?:aura|process)_\w+", text))


def test_the_dashboard_is_current() -> None:
    made = script("dashboard").dashboard()
    assert (ROOT / "docs/grafana.json").read_text(encoding="utf-8") == made, "python docs/dashboard.py"


@pytest.mark.parametrize("page", ["grafana.json", "alerts.yml"])
async def test_every_metric_that_is_named_is_one_of_ours(tmp_path: Path, page: str) -> None:
    async with open_test_runtime(tmp_path) as house, httpx2.AsyncClient(trust_env=False) as client:
        exposition = (await client.get(f"{house.http}/metrics")).text
    ours = set(re.findall(r"^# TYPE (\S+)", exposition, re.MULTILINE))
    named = names((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert len(named) > 10
    assert named - ours <= {"aura_actors"}  # the name of the dashboard and of the group of rules
