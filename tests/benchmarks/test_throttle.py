"""The load test of throttling: facts of short runs in virtual time, and what its parts keep to."""

import functools
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from benchmarks.throttle import plots, virtual
from benchmarks.throttle.outcome import Outcome, ratio
from benchmarks.throttle.policies import Ask, Guide, Reservation
from benchmarks.throttle.scenario import MIB, Room, Scenario, load, shipped
from benchmarks.throttle.table import report
from benchmarks.throttle.truth import Truth
from benchmarks.throttle.variants import parse
from benchmarks.throttle.workload import Job, draw

SEEDS = (1, 2, 3)
ROOM = Room(limit_bytes=2048 * MIB, reserve_bytes=200 * MIB)


@functools.cache
def played(scenario: str, policy: str) -> list[Outcome]:
    return [virtual.play(load(scenario), parse(policy), seed) for seed in SEEDS]


def ask(name: str, mib: int) -> Ask:
    return Ask(id=name, kind="job", reserve_bytes=mib * MIB)


def job(name: str, mib: int) -> Job:
    size = mib * MIB
    return Job(
        id=name,
        kind="job",
        arrives_at=0.0,
        declared_bytes=size,
        uses_bytes=size,
        ramp_seconds=1.0,
        hold_seconds=1.0,
    )


# --- what is aimed at -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["ramp", "stream", "overload", "bursts", "crashes", "trace", "overdeclared"])
def test_ours_never_overcommits_honest_jobs_and_loses_none(scenario: str) -> None:
    for run in played(scenario, "ours"):
        assert run.overcommitted_seconds == 0
        assert (run.lost, run.oom_kills, run.stuck) == (0, 0, 0)


def test_the_guide_loses_jobs_that_kept_to_what_they_declared() -> None:
    assert all(run.lost_honest >= 8 for run in played("ramp", "guide"))


def test_the_guide_with_retries_pays_with_kills() -> None:
    for once, again in zip(played("ramp", "guide"), played("ramp", "guide+retry"), strict=True):
        assert again.lost == 0
        assert again.oom_kills > once.oom_kills
        assert again.makespan_seconds > 1.5 * once.makespan_seconds


def test_the_slots_of_crashed_clients_are_lost_to_the_guide_alone() -> None:
    assert all(run.stuck for run in played("crashes", "guide"))
    assert not any(run.stuck for run in played("crashes", "ours"))


@pytest.mark.parametrize("scenario", ["ramp", "overload", "crashes", "overdeclared"])
def test_ours_takes_no_longer_than_reservations_alone(scenario: str) -> None:
    found = ratio(played(scenario, "ours"), played(scenario, "reservation"), "makespan_seconds")
    assert found is not None
    assert found <= 1.0


def test_nobody_waits_longer_under_ours_than_first_come_first_served() -> None:
    found = ratio(played("ramp", "ours"), played("ramp", "reservation"), "max_wait_seconds")
    assert found is not None
    assert found <= 1.0


@pytest.mark.parametrize("scenario", ["stream", "overload", "bursts"])
def test_passing_the_oldest_eight_times_costs_nobody_more_than_first_come_first_served(scenario: str) -> None:
    found = ratio(played(scenario, "ours"), played(scenario, "reservation"), "max_wait_seconds")
    assert found is not None
    assert found <= 1.05


def test_large_jobs_are_not_starved_as_by_first_fit() -> None:
    for mine, peer in zip(played("overload", "ours"), played("overload", "first-fit"), strict=True):
        assert mine.max_wait_of_largest_seconds < 0.75 * peer.max_wait_of_largest_seconds


def test_the_hog_lives_under_ours_alone() -> None:
    assert sum(run.hogs_killed for run in played("hog", "ours")) == 0
    for peer in ("none", "guide", "reservation", "first-fit", "free-minus-predicted"):
        assert all(run.hogs_killed or run.lost for run in played("hog", peer)), peer


def test_with_hard_caps_all_liars_die_and_nobody_else() -> None:
    for run in played("liars", "ours+caps"):
        assert (run.lost, run.lost_honest, run.overcommitted_seconds) == (8, 0, 0)
        assert all(attempt.fate == "capped" for attempt in run.attempts if attempt.lies)


def test_reserving_what_was_learned_saves_a_fifth_where_all_declare_twice_too_much() -> None:
    found = ratio(played("overdeclared", "ours+auto"), played("overdeclared", "reservation"), "makespan_seconds")
    assert found is not None
    assert found <= 0.8
    assert all(run.oom_kills == 0 for run in played("overdeclared", "ours+auto"))


# --- the ground it stands on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_the_same_seed_draws_the_same_jobs(name: str) -> None:
    assert draw(load(name), 1) == draw(load(name), 1)
    assert draw(load(name), 1) != draw(load(name), 2)


def test_the_same_run_has_the_same_outcome() -> None:
    again = virtual.play(load("stream"), parse("ours"), 1)
    assert again == played("stream", "ours")[0]


def test_every_policy_sees_every_job_to_an_end_or_says_that_it_is_stuck() -> None:
    for policy in ("none", "guide+retry", "reservation", "first-fit", "free-minus-predicted", "ours+caps+auto"):
        for run in played("liars", policy):
            assert run.finished + run.lost == run.jobs
            assert len({attempt.job for attempt in run.attempts}) == run.jobs


def test_memory_in_use_never_passes_the_limit() -> None:
    assert all(used <= ROOM.limit_bytes for run in played("liars", "guide+retry") for _, used in run.memory)


def test_a_scenario_that_could_never_run_is_refused() -> None:
    text = {"name": "x", "about": "", "arrivals": {}, "kinds": [{"name": "big", "declared_mib": [4096]}]}
    with pytest.raises(msgspec.ValidationError, match="declares more than"):
        msgspec.convert(text, Scenario)


def test_a_misspelt_key_is_refused_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nabout = ""\nkind = []\narrivals = {}\nkinds = []\n')
    with pytest.raises(ValueError, match=r"mine\.toml.*kind"):
        load(str(path))


def test_an_unknown_policy_or_option_is_named() -> None:
    with pytest.raises(ValueError, match="no policy 'best'"):
        parse("best")
    with pytest.raises(ValueError, match="no option 'fast'"):
        parse("ours+fast")


# --- peers ----------------------------------------------------------------------------------------------------


def test_reservations_stop_at_the_first_that_does_not_fit() -> None:
    line = Reservation(ROOM)
    for name, mib in (("a", 1000), ("b", 1000), ("c", 100)):
        line.arrive(ask(name, mib), 0.0)
    assert line.starts(0.0, lambda: 0) == ["a"]
    line.ended("a", 1.0, crashed=False)
    assert line.starts(1.0, lambda: 0) == ["b", "c"]


def test_the_guide_forgets_what_was_granted_and_has_not_grown_yet() -> None:
    guide = Guide(ROOM)
    for number in range(12):
        guide.arrive(ask(f"job-{number}", 1000), 0.0)
    assert len(guide.starts(0.0, lambda: 0)) == 10


# --- the observer ---------------------------------------------------------------------------------------------


def test_room_that_nobody_was_given_is_counted_until_the_start() -> None:
    truth = Truth(ROOM)
    truth.arrived(job("a", 1000), 0.0)
    truth.started(job("a", 1000), 0.0)
    truth.arrived(job("b", 1000), 1.0)
    truth.ended("a", 5.0)
    truth.started(job("b", 1000), 7.0)
    assert truth.freed_to_granted == [0.0, 2.0]
    assert truth.false_denials == 1


def test_time_over_the_limit_is_counted_by_what_jobs_will_use() -> None:
    truth = Truth(ROOM)
    for name in ("a", "b", "c"):
        truth.arrived(job(name, 1000), 0.0)
        truth.started(job(name, 1000), 0.0)
    truth.ended("a", 3.0)
    truth.finish(9.0)
    assert truth.overcommitted_seconds == 3.0


# --- what is shown --------------------------------------------------------------------------------------------


def test_the_figures_of_the_first_scenario_have_the_plain_names() -> None:
    runs = [*played("ramp", "reservation"), *played("ramp", "guide"), *played("ramp", "ours")]
    shown = report(runs, [])
    assert list(shown.ratios) == ["makespan_vs_reservation_only", "max_wait_vs_fifo"]
    assert shown.figures["overcommitted_seconds"] == 0
    assert shown.figures["oom_kills_guide"] >= 8
    assert b'"runs":[{' in shown.to_json()


def test_plots_are_well_formed(tmp_path: Path) -> None:
    runs = [*played("ramp", "guide"), *played("ramp", "ours")]
    written = plots.write(runs, tmp_path)
    assert len(written) == 2
    for path in written:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
