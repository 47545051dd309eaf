"""What waits for one actor: a bounded pair of memory channels, the control lane ahead of the data lane.

Owns order, bounds, what happens when the data lane is full, and the counts. It belongs to the actor's cell, not
to an incarnation, so what waits survives a restart. Knows nothing about replies or supervision.
"""

import enum
from collections.abc import Callable
from typing import Any

import msgspec
import trio

from aura_actors.errors import MailboxFull, NotStarted
from aura_actors.kernel.envelope import Envelope

CONTROL_IN_A_ROW = 4


class Overflow(enum.Enum):
    """What happens to a message that finds the data lane full."""

    BLOCK = "block"
    """`send` waits for room; `tell` answers FULL."""
    REJECT = "reject"
    """Both answer FULL."""
    LATEST = "latest"
    """One place; a newer message takes the place of the one that waits."""
    DROP_OLDEST = "drop_oldest"
    """The oldest message makes room."""


class Verdict(enum.Enum):
    """What became of a message at the mailbox's door."""

    DELIVERED = "delivered"
    REPLACED = "replaced"
    """Delivered, and an older message was dropped for it."""
    FULL = "full"
    STOPPED = "stopped"


class MailboxStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A look at a mailbox. Counts are since the cell was made."""

    depth: int
    high_water: int
    capacity: int
    refused: int
    dropped: int


class Mailbox:
    """A bounded mailbox. `undeliverable(message, reason)` hears of every message that is dropped."""

    def __init__(
        self,
        *,
        capacity: int,
        overflow: Overflow,
        undeliverable: Callable[[Any, str], None],
        control_capacity: int = 64,
    ) -> None:
        self._overflow = overflow
        self._capacity = 1 if overflow is Overflow.LATEST else capacity
        self._data_in, self._data_out = trio.open_memory_channel[Envelope](self._capacity)
        self._control_capacity = control_capacity
        self._control_in, self._control_out = trio.open_memory_channel[Envelope](control_capacity)
        self._undeliverable = undeliverable
        self._arrival = trio.Event()
        self.closed = False
        """Nothing more is accepted."""
        self.discarded = False
        """Closed for good; a mailbox that is closed only may be that of an actor that comes back."""
        # Invariant: what is in a lane, and the senders that wait for room in it as well. Counted here, because
        # asking the channels costs as much as sending does.
        self._in_control = 0
        self._in_data = 0
        self._in_a_row = 0
        self._next: Envelope | None = None
        """The first of the data lane, where it was looked at and left."""
        self._high_water = 0
        self._refused = 0
        self._dropped = 0

    # --- putting in ---

    def put_nowait(self, envelope: Envelope, *, control: bool = False) -> Verdict:
        """Put without waiting. Never raises: the verdict says what happened."""
        if self.closed:
            return self._refuse(Verdict.STOPPED)
        lane = self._control_in if control else self._data_in
        try:
            lane.send_nowait(envelope)
        except trio.WouldBlock:
            if control or self._overflow in (Overflow.BLOCK, Overflow.REJECT):
                return self._refuse(Verdict.FULL)
            # Nobody ever blocks on such a lane, so the eviction cannot hit a sender that was told "delivered".
            oldest = self._data_out.receive_nowait()
            lane.send_nowait(envelope)
            self._announce()
            self._drop(oldest, "replaced by a newer message")
            return Verdict.REPLACED
        self._count(1, control)
        self._announce()
        return Verdict.DELIVERED

    async def put(self, envelope: Envelope, *, control: bool = False) -> Verdict:
        """Put, waiting for room: in the data lane where the mailbox says BLOCK, in the control lane always."""
        if self.closed or not (control or self._overflow is Overflow.BLOCK):
            await trio.lowlevel.checkpoint()
            return self.put_nowait(envelope, control=control)
        self._count(1, control)
        try:
            await (self._control_in if control else self._data_in).send(envelope)
        except trio.BrokenResourceError:
            self._count(-1, control)
            return self._refuse(Verdict.STOPPED)
        except trio.Cancelled:
            self._count(-1, control)
            raise
        self._announce()
        return Verdict.DELIVERED

    def _count(self, more: int, control: bool) -> None:
        if control:
            self._in_control += more
        else:
            self._in_data += more

    def undelivered(self, message: object, verdict: Verdict) -> None:
        """Tell `undeliverable` of a message that nobody took in, and that nobody will offer again."""
        self._undeliverable(message, "the mailbox is full" if verdict is Verdict.FULL else "the actor has stopped")

    def _refuse(self, verdict: Verdict) -> Verdict:
        self._refused += 1
        return verdict

    def _announce(self) -> None:
        self._high_water = max(self._high_water, self._in_control + self._in_data)
        self._arrival.set()

    # --- taking out ---

    def take_nowait(self) -> Envelope | None:
        """The next message, control first; None when nothing waits.

        After so many of control's in a row one of the others has its turn: a fast timer must not starve them.
        """
        while self._in_control or self._in_data:
            control = self._in_control > 0 and not (self._in_a_row >= CONTROL_IN_A_ROW and self._in_data)
            try:
                envelope = self._first(control)
            except (trio.WouldBlock, trio.ClosedResourceError):
                return None  # a sender is on its way in, or the mailbox was discarded
            self._count(-1, control)
            envelope.taken = True
            if not envelope.void:
                self._in_a_row = self._in_a_row + 1 if control else 0
                return envelope
        return None

    def take_more(self, joins: Callable[[Any], int], room: int) -> list[Envelope]:
        """Those that come next, join and find room. The first that does not is left where it is; so is control."""
        taken: list[Envelope] = []
        while room > 0 and not self._in_control and (envelope := self.take_nowait()) is not None:
            places = joins(envelope.message)
            if not 0 < places <= room:
                self._next, envelope.taken = envelope, False
                self._count(1, control=False)
                break
            room -= places
            taken.append(envelope)
        return taken

    def _first(self, control: bool) -> Envelope:
        if control:
            return self._control_out.receive_nowait()
        left, self._next = self._next, None
        return left or self._data_out.receive_nowait()

    async def take(self) -> Envelope | None:
        """Wait for the next message; None once the mailbox is closed and empty.

        Nothing is taken when the wait is cancelled.
        """
        await trio.lowlevel.checkpoint()
        while True:
            envelope = self.take_nowait()
            if envelope is not None or self.closed:
                return envelope
            self._arrival = trio.Event()
            await self._arrival.wait()

    def close(self) -> None:
        """Accept nothing more; what waits can still be taken."""
        self.closed = True
        self._arrival.set()

    def reopen(self) -> None:
        """Accept again: a child that was stopped for a sibling's sake, or with its supervisor, is back.

        After a mere `close` what waited is still there; after `discard` nothing is.
        """
        self.closed = False
        if self.discarded:
            self.discarded = False
            self._data_in, self._data_out = trio.open_memory_channel[Envelope](self._capacity)
            self._control_in, self._control_out = trio.open_memory_channel[Envelope](self._control_capacity)

    def discard(self, reason: str) -> None:
        """Drop everything that waits, release senders that wait for room, and tell `undeliverable`."""
        self.close()
        while (envelope := self.take_nowait()) is not None:
            self._drop(envelope, reason)
        self._data_out.close()
        self._control_out.close()
        self.discarded = True

    def _drop(self, envelope: Envelope, reason: str) -> None:
        envelope.taken = True
        self._dropped += 1
        if envelope.slot is None or not envelope.slot.filled:
            self._undeliverable(envelope.message, reason)
        if envelope.slot is not None:
            envelope.slot.refuse(MailboxFull(reason) if not self.closed else NotStarted(reason))

    def statistics(self) -> MailboxStatistics:
        """Depth, high water and counts now."""
        return MailboxStatistics(
            depth=self._in_control + self._in_data,
            high_water=self._high_water,
            capacity=self._capacity,
            refused=self._refused,
            dropped=self._dropped,
        )
