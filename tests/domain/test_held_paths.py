"""The paths that leases and places hold: kept up with every step of the books."""

from aura_actors.domain.changes import Changes
from aura_actors.domain.held_paths import HeldPaths
from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.domain.waiting import Queue, QueueRule
from aura_actors.domain.waiting_line import Waiter

NOBODY = Queue(QueueRule())


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


def waiter(key: str, *paths: str) -> Waiter:
    spec = JobSpec(hold_paths=paths)
    return Waiter(
        key=key, owner="me", spec=spec, rank=1, wants_gpu=False, secret="t", number=1, since=0, ttl_seconds=30
    )


def step(*begun: Lease, ended: tuple[Lease, ...] = ()) -> Changes:
    changes = Changes(written={}, ended=[], begun=[])
    for each in begun:
        changes.begin(each)
    for each in ended:
        changes.erase(each, "released")
    return changes


def test_a_path_is_held_from_the_grant_to_the_end_of_its_last_lease() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a", "/b"), lease(2, "/b")), NOBODY)
    assert list(held.paths) == ["/a", "/b"]
    held.change(step(ended=(lease(1, "/a", "/b"),)), NOBODY)
    assert list(held.paths) == ["/b"]
    held.change(step(ended=(lease(2, "/b"),)), NOBODY)
    assert list(held.paths) == []


def test_a_new_form_of_a_lease_replaces_what_it_held() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a")), NOBODY)
    held.change(step(lease(1, "/c")), NOBODY)
    assert list(held.paths) == ["/c"]
    held.change(step(lease(1)), NOBODY)
    assert list(held.paths) == []


def test_leases_that_hold_nothing_change_nothing() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a")), NOBODY)
    before = held.paths
    held.change(step(lease(2), ended=(lease(3),)), NOBODY)
    assert held.paths is before


def test_one_change_among_many_leases_is_enough() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a"), lease(2)), NOBODY)
    assert list(held.paths) == ["/a"]
    held.change(step(ended=(lease(1, "/a"), lease(3))), NOBODY)
    assert list(held.paths) == []


def test_after_a_restart_only_what_the_journal_holds_is_held() -> None:
    held = HeldPaths()
    held.change(step(lease(1, "/a")), NOBODY)
    held.reset([lease(2, "/b"), lease(3)], NOBODY)
    assert list(held.paths) == ["/b"]


def test_a_path_is_held_while_its_job_waits() -> None:
    held, queue = HeldPaths(), Queue(QueueRule())
    queue.offer(waiter("a", "/a"))
    held.change(Changes(queued=["a"]), queue)
    assert list(held.paths) == ["/a"]
    queue.remove("a")
    held.change(Changes(dropped=["a"]), queue)
    assert list(held.paths) == []


def test_from_the_place_to_the_lease_a_path_is_held_without_a_gap() -> None:
    held, queue = HeldPaths(), Queue(QueueRule())
    queue.offer(waiter("job-1", "/a"))
    held.change(Changes(queued=["job-1"]), queue)
    queue.remove("job-1")  # granted, and not written yet
    assert list(held.paths) == ["/a"]
    changes = step(lease(1, "/a"))
    changes.granted.append(lease(1, "/a"))
    held.change(changes, queue)
    assert list(held.paths) == ["/a"]
    held.change(step(ended=(lease(1, "/a"),)), queue)
    assert list(held.paths) == []


def test_a_place_that_is_left_and_taken_again_in_one_step_holds_what_the_last_one_does() -> None:
    held, queue = HeldPaths(), Queue(QueueRule())
    queue.offer(waiter("a", "/new"))
    held.change(Changes(queued=["a", "a"], dropped=["a"]), queue)
    assert held.paths == ("/new",)


def test_after_a_restart_those_who_wait_still_hold() -> None:
    held, queue = HeldPaths(), Queue(QueueRule())
    queue.offer(waiter("a", "/a"))
    queue.offer(waiter("b"))
    held.reset([lease(2, "/b")], queue)
    assert held.paths == ("/a", "/b")
