"""How much a tree uses when its processes share memory: bounds that hold, before and after a measurement."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aura_actors.domain.attribution import AttributionReading, Bounds, Identity, Overlap, Part, Root, bounds
from tests.domain.admission_world import use

MIB = 2**20


def parts(*sizes: tuple[int, int]) -> dict[Identity, Part]:
    return {(pid, 0): Part(anonymous * MIB, shared * MIB) for pid, (anonymous, shared) in enumerate(sizes)}


def mib(found: Bounds) -> tuple[int, int, int]:
    return found.least_bytes // MIB, found.used_bytes // MIB, found.most_bytes // MIB


def overlap(of: dict[Identity, Part], size: int) -> Overlap:
    return Overlap(overlap_bytes=size * MIB, shared_bytes={key: part.shared_bytes for key, part in of.items()})


def test_leases_of_one_control_group_or_one_process_are_one_group() -> None:
    assert Root(lease=1, cgroup="/x").group == Root(lease=2, pid=5, cgroup="/x").group
    assert Root(lease=1, pid=5, start_ticks=9).group == Root(lease=2, pid=5, start_ticks=9).group
    others = [Root(lease=1, cgroup="/y"), Root(lease=1, pid=5, start_ticks=8), Root(lease=1, pid=4, start_ticks=9)]
    assert len({root.group for root in [*others, Root(lease=1, cgroup="/x"), Root(lease=1, pid=5)]}) == 5


def test_a_reading_finds_the_group_of_a_lease() -> None:
    reading = AttributionReading(groups=(use([1], 5), use([2, 3], 7)))
    assert [reading.of(lease) for lease in (1, 2, 3, 4)] == [reading.groups[0], *[reading.groups[1]] * 2, None]


@pytest.mark.parametrize(
    ("unknown_bytes", "most_bytes", "worth"),
    [
        (16 * MIB, 16 * MIB, False),
        (16 * MIB + 1, 17 * MIB, True),
        (50 * MIB, 1000 * MIB, False),
        (51 * MIB, 1000 * MIB, True),
    ],
)
def test_more_than_16_mib_and_5_percent_are_worth_measuring(
    unknown_bytes: int, most_bytes: int, *, worth: bool
) -> None:
    found = Bounds(most_bytes - unknown_bytes, most_bytes, most_bytes)
    assert found.worth_measuring == worth


def test_one_process_is_exact() -> None:
    assert mib(bounds(parts((70, 30)), None)) == (100, 100, 100)


def test_nobody_uses_nothing() -> None:
    assert mib(bounds({}, None)) == (0, 0, 0)


def test_several_are_between_the_largest_and_the_sum() -> None:
    found = bounds(parts((100, 0), (60, 20)), None)
    assert mib(found) == (100, 180, 180)
    assert found.worth_measuring


def test_a_measurement_takes_off_what_is_counted_twice() -> None:
    tree = parts((100, 50), (100, 50), (100, 50))
    found = bounds(tree, overlap(tree, 300))
    assert mib(found) == (150, 150, 450)


def test_what_is_shared_is_sure_up_to_what_was_measured() -> None:
    tree = parts((100, 50), (100, 50))
    assert mib(bounds(tree, overlap(tree, 50))) == (250, 250, 300)


def test_processes_found_to_share_nothing_are_exact_and_stay_so_while_they_grow() -> None:
    found = bounds(parts((500, 0), (300, 0)), overlap(parts((10, 0), (10, 0)), 0))
    assert mib(found) == (800, 800, 800)
    assert not found.worth_measuring


def test_a_process_forked_since_may_share_all_it_has() -> None:
    before = parts((500, 0))
    assert mib(bounds(parts((500, 0), (500, 0)), overlap(before, 0))) == (500, 1000, 1000)


def test_shared_memory_that_grew_since_may_be_shared() -> None:
    before = parts((0, 10), (0, 10))
    assert mib(bounds(parts((0, 200), (0, 200)), overlap(before, 10))) == (200, 390, 400)


def test_a_sharer_that_ended_makes_the_bound_no_higher() -> None:
    before = parts((100, 0), (100, 0), (100, 0))
    assert mib(bounds(parts((100, 0)), overlap(before, 200))) == (100, 100, 100)


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=5),
    st.integers(0, 300),
)
def test_the_bounds_are_in_order(sizes: list[tuple[int, int]], size: int) -> None:
    tree = parts(*sizes)
    for measured in (None, overlap(tree, size)):
        found = bounds(tree, measured)
        assert found.least_bytes <= found.used_bytes <= found.most_bytes


@given(st.data())
def test_after_a_measurement_the_lower_bound_never_exceeds_the_truth(data: st.DataObject) -> None:
    """A model: pages with sets of owners. Copies are written, private pages come, processes end."""
    owners = st.sets(st.integers(0, 3), min_size=1)
    pages = [set(each) for each in data.draw(st.lists(owners, max_size=30))]

    def seen() -> dict[Identity, Part]:
        count = {pid: sum(pid in page for page in pages) for pid in range(4)}
        return {(pid, 0): Part(size) for pid, size in count.items() if size}

    tree = seen()
    truth = len(pages)
    found = Overlap(
        overlap_bytes=sum(part.total_bytes for part in tree.values()) - truth, shared_bytes=dict.fromkeys(tree, 0)
    )
    for _ in range(data.draw(st.integers(0, 10))):
        what = data.draw(st.sampled_from(["copy", "grow", "end", "free"]))
        pid = data.draw(st.integers(0, 3))
        if what == "grow":
            pages.append({pid})
        elif what == "end":
            pages = [page - {pid} for page in pages if page - {pid}]
        elif what == "free":
            mine = [page for page in pages if pid in page]
            if mine:
                mine[0].discard(pid)
                pages = [page for page in pages if page]
        else:
            shared = [page for page in pages if pid in page and len(page) > 1]
            if shared:
                shared[0].discard(pid)
                pages.append({pid})
        assert bounds(seen(), found).least_bytes <= len(pages) <= bounds(seen(), found).most_bytes
