"""The families of admission and providers, from the view alone; every label is bounded."""

from collections.abc import Iterable

from prometheus_client.core import Metric

from aura_actors.edges.prometheus.admission import admission
from aura_actors.edges.prometheus.providers import providers
from aura_actors.messages.admission_view import AdmissionView, DimensionView, ProviderView, Totals, WaiterView

TOTALS = Totals(job_slots=4, active_jobs=1, reserved_bytes=20, active_providers=("OpenAI",), queued_jobs=2)


def waiter(waited: float) -> WaiterView:
    return WaiterView(
        key="secret-project", owner="someone", priority="low", kind=None, memory_bytes=4, position=1,
        waited_seconds=waited, attended=True, protected=False, reasons=(),
    )  # fmt: skip


VIEW = AdmissionView(
    taken_at=0, timestamp=0, totals=TOTALS, jobs=(), queue=(waiter(3), waiter(90)),
    dimensions=(
        DimensionView(
            name="memory", unit="bytes", capacity=100, allowed=80, external=10, ghosts=1, promised=20, headroom=49
        ),
        DimensionView(
            name="cpu", unit="millicores", capacity=8000, allowed=8000, external=0, ghosts=0, promised=1500,
            headroom=6500,
        ),
        DimensionView(
            name="licences", unit="units", capacity=3, allowed=3, external=0, ghosts=0, promised=1, headroom=2
        ),
        DimensionView(
            name="scratch", unit="bytes", capacity=None, allowed=None, external=0, ghosts=0, promised=0,
            headroom=None,
        ),
    ),
    providers=(
        ProviderView(
            name="OpenAI", size=5, used=2, granted=9, denied=1, waiting=3, mean_call_seconds=0.5,
            requests_per_minute=60.0, requests_available=7, tokens_per_minute=None, tokens_available=None,
            adaptive=False,
        ),
    ),
    draining=True, brake=None, stale_since_seconds=None, limit_bytes=None, granted=5, denied={"memory": 2},
    ended={"released": 3, "expired": 1},
)  # fmt: skip


def samples(families: Iterable[Metric]) -> dict[str, float]:
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def test_slots_queue_and_switches() -> None:
    found = samples(admission(TOTALS, VIEW))
    assert {
        "aura_admission_active": 1,
        "aura_admission_slots": 4,
        "aura_admission_queue_length": 2,
        "aura_admission_queue_wait_seconds": 90,
        "aura_admission_draining": 1,
        "aura_admission_brake": 0,
        "aura_admission_stale_seconds": 0,
    }.items() <= found.items()


def test_every_dimension_is_in_the_family_of_its_unit_and_what_is_not_known_has_no_sample() -> None:
    found = samples(admission(TOTALS, VIEW))
    assert found["aura_admission_bytes memory headroom"] == 49
    assert found["aura_admission_bytes memory promised"] == 20
    assert found["aura_admission_cores cpu headroom"] == 6.5
    assert found["aura_admission_units licences capacity"] == 3
    assert "aura_admission_bytes cpu headroom" not in found
    assert "aura_admission_bytes scratch headroom" not in found
    assert found["aura_admission_bytes scratch promised"] == 0


def test_the_accounts_of_memory_add_up() -> None:
    found = samples(admission(TOTALS, VIEW))
    allowed, external, ghosts, reserved, headroom = (
        found[f"aura_admission_memory_bytes {account}"]
        for account in ("allowed", "external", "ghosts", "reserved", "headroom")
    )
    assert headroom == allowed - external - ghosts - reserved


def test_decisions_and_ends_are_counted() -> None:
    found = samples(admission(TOTALS, VIEW))
    assert found["aura_admission_decisions_total granted "] == 5
    assert found["aura_admission_decisions_total denied memory"] == 2
    assert found["aura_admission_ended_total released"] == 3
    assert found["aura_admission_ended_total expired"] == found["aura_admission_expired_total"] == 1


def test_providers_show_slots_and_budgets_and_none_where_there_is_none() -> None:
    found = samples(providers(VIEW))
    assert found["aura_provider_active OpenAI"] == 2
    assert found["aura_provider_slots OpenAI"] == 5
    assert found["aura_provider_waiting OpenAI"] == 3
    assert found["aura_provider_requests_available OpenAI"] == 7
    assert found["aura_provider_denied_total OpenAI"] == 1
    assert "aura_provider_tokens_available OpenAI" not in found


def test_before_the_first_view_there_are_the_slots_and_nothing_wrong() -> None:
    assert samples(admission(TOTALS, None)) == {
        "aura_admission_active": 1,
        "aura_admission_slots": 4,
        "aura_admission_queue_length": 2,
    }
    assert samples(providers(None)) == {}


def test_no_job_and_no_owner_is_a_label() -> None:
    assert not [name for name in samples(admission(TOTALS, VIEW)) if "secret-project" in name or "someone" in name]
