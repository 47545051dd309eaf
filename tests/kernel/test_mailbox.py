"""What a mailbox promises about order, bounds and loss."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from aura_actors.kernel.envelope import Envelope, Lifetime, ReplySlot
from aura_actors.kernel.mailbox import Mailbox, Overflow, Verdict


def make(capacity: int = 2, overflow: Overflow = Overflow.BLOCK) -> tuple[Mailbox, list[object]]:
    lost: list[object] = []
    return Mailbox(capacity=capacity, overflow=overflow, undeliverable=lambda m, _: lost.append(m)), lost


def drained(mailbox: Mailbox) -> list[object]:
    taken = []
    while (envelope := mailbox.take_nowait()) is not None:
        taken.append(envelope.message)
    return taken


async def test_control_messages_overtake_data() -> None:
    mailbox, _ = make()
    mailbox.put_nowait(Envelope("data"))
    mailbox.put_nowait(Envelope("control"), control=True)
    assert drained(mailbox) == ["control", "data"]


@pytest.mark.parametrize("overflow", [Overflow.BLOCK, Overflow.REJECT])
async def test_a_full_mailbox_says_so_and_loses_nothing(overflow: Overflow) -> None:
    mailbox, lost = make(1, overflow)
    assert mailbox.put_nowait(Envelope(1)) is Verdict.DELIVERED
    assert mailbox.put_nowait(Envelope(2)) is Verdict.FULL
    assert (drained(mailbox), lost) == ([1], [])
    assert mailbox.statistics().refused == 1


async def test_a_blocking_sender_gets_in_once_there_is_room(nursery: trio.Nursery) -> None:
    mailbox, _ = make(1)
    mailbox.put_nowait(Envelope(1))
    nursery.start_soon(mailbox.put, Envelope(2))
    await wait_all_tasks_blocked()
    assert mailbox.statistics().depth == 2
    assert drained(mailbox) == [1, 2]


async def test_drop_oldest_makes_room_and_reports_what_was_dropped() -> None:
    mailbox, lost = make(2, Overflow.DROP_OLDEST)
    verdicts = [mailbox.put_nowait(Envelope(n)) for n in (1, 2, 3)]
    assert verdicts == [Verdict.DELIVERED, Verdict.DELIVERED, Verdict.REPLACED]
    assert (drained(mailbox), lost) == ([2, 3], [1])


async def test_latest_keeps_one_message_whatever_its_capacity() -> None:
    mailbox, lost = make(8, Overflow.LATEST)
    for n in (1, 2, 3):
        mailbox.put_nowait(Envelope(n))
    assert (drained(mailbox), lost) == ([3], [1, 2])


async def test_a_waiting_reader_is_woken_by_either_lane(nursery: trio.Nursery) -> None:
    for control in (False, True):
        mailbox, _ = make()
        taken: list[object] = []

        async def read(mailbox: Mailbox = mailbox, taken: list[object] = taken) -> None:
            envelope = await mailbox.take()
            assert envelope is not None
            taken.append(envelope.message)

        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        mailbox.put_nowait(Envelope("x"), control=control)
        await wait_all_tasks_blocked()
        assert taken == ["x"]


async def test_a_cancelled_reader_takes_nothing(nursery: trio.Nursery) -> None:
    mailbox, _ = make()
    with trio.CancelScope() as scope:
        scope.cancel()
        mailbox.put_nowait(Envelope("kept"))
        await mailbox.take()
    assert drained(mailbox) == ["kept"]


async def test_a_closed_mailbox_refuses_but_still_gives_what_it_has() -> None:
    mailbox, _ = make()
    mailbox.put_nowait(Envelope(1))
    mailbox.close()
    assert mailbox.put_nowait(Envelope(2)) is Verdict.STOPPED
    first = await mailbox.take()
    assert first is not None
    assert first.message == 1
    assert await mailbox.take() is None


async def test_discarding_reports_every_message_and_releases_blocked_senders(nursery: trio.Nursery) -> None:
    mailbox, lost = make(1)
    mailbox.put_nowait(Envelope(1))
    verdicts: list[Verdict] = []

    async def send() -> None:
        verdicts.append(await mailbox.put(Envelope(2)))

    nursery.start_soon(send)
    await wait_all_tasks_blocked()
    mailbox.discard("stopped")
    await wait_all_tasks_blocked()
    assert lost == [1, 2]
    assert verdicts == [Verdict.DELIVERED]


async def test_a_dropped_question_that_nobody_waits_for_is_no_dead_letter() -> None:
    mailbox, lost = make()
    slot = ReplySlot()
    slot.abandon()
    mailbox.put_nowait(Envelope("asked", slot))
    mailbox.discard("stopped")
    assert lost == []


async def test_high_water_remembers_the_deepest_moment() -> None:
    mailbox, _ = make(4)
    for n in range(3):
        mailbox.put_nowait(Envelope(n))
    drained(mailbox)
    assert (mailbox.statistics().depth, mailbox.statistics().high_water) == (0, 3)


async def test_reopening_keeps_what_waited_and_starts_anew_after_a_discard() -> None:
    mailbox, lost = make()
    mailbox.put_nowait(Envelope(1))
    mailbox.close()
    mailbox.reopen()
    assert mailbox.put_nowait(Envelope(2)) is Verdict.DELIVERED
    mailbox.discard("stopped")
    mailbox.reopen()
    assert mailbox.put_nowait(Envelope(3)) is Verdict.DELIVERED
    assert (drained(mailbox), lost) == ([3], [1, 2])


async def test_a_void_tick_is_passed_over() -> None:
    mailbox, _ = make()
    lifetime = Lifetime()
    tick = Envelope("tick of an old incarnation", within=lifetime)
    mailbox.put_nowait(tick, control=True)
    mailbox.put_nowait(Envelope("data"))
    lifetime.over = True
    assert drained(mailbox) == ["data"]
