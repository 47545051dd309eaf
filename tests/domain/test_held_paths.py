"""The paths that live leases hold: kept up with every step of the books."""

from aura_actors.domain.changes import Changes
from aura_actors.domain.held_paths import HeldPaths
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec


def lease(fence: int, *paths: str) -> Lease:
    return Lease(
        key=f"job-{fence}",
        owner="me",
        secret="s",
        fence=fence,
        spec=JobSpec(hold_paths=paths),
        ttl_seconds=30,
        granted_at=0,
        expires_at=30,
        granted_timestamp=0,
    )


def step(*begun: Lease, ended: tuple[Lease, ...] = ()) -> Changes:
    changes = Changes(written={}, erased=[], ended=[], begun=[])
    for each in begun:
        changes.begin(each)
    for each in ended:
        changes.erase(each, "released")
    return changes


def test_a_path_is_held_from_the_grant_to_the_end_of_its_last_lease() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a", "/b"), lease(2, "/b")))
    assert list(held.paths) == ["/a", "/b"]
    held.change(step(ended=(lease(1, "/a", "/b"),)))
    assert list(held.paths) == ["/b"]
    held.change(step(ended=(lease(2, "/b"),)))
    assert list(held.paths) == []


def test_a_new_form_of_a_lease_replaces_what_it_held() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a")))
    held.change(step(lease(1, "/c")))
    assert list(held.paths) == ["/c"]
    held.change(step(lease(1)))
    assert list(held.paths) == []


def test_leases_that_hold_nothing_change_nothing() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a")))
    before = held.paths
    held.change(step(lease(2), ended=(lease(3),)))
    assert held.paths is before


def test_one_change_among_many_leases_is_enough() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a"), lease(2)))
    assert list(held.paths) == ["/a"]
    held.change(step(ended=(lease(1, "/a"), lease(3))))
    assert list(held.paths) == []


def test_after_a_restart_only_what_the_journal_holds_is_held() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a")))
    held.reset([lease(2, "/b"), lease(3)])
    assert list(held.paths) == ["/b"]
