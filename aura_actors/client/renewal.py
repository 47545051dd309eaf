"""Leases kept alive by a thread of their own, so that a loop which stands still keeps what it holds.

Owns when a lease is renewed: at a third of its time, together with those that are nearly due, and again soon where
the daemon could not be asked. It never gives up on a lease that the daemon may still know: after a restart of the
daemon every lease has its full time again. It stands still only where all of Python does (a C extension that keeps
the interpreter's lock). Knows no loop.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Final

import httpx2
import msgspec

from aura_actors.client.address import Address
from aura_actors.client.answers import of_problem
from aura_actors.client.held import Held, Lease, Slot
from aura_actors.errors import AuraError, Foreign, Gone, Unavailable
from aura_actors.wire import admission as wire

SHARE: Final = 1 / 3
"""Of its time to live, after which a lease is renewed."""
AGAIN_SECONDS: Final = 1.0
"""At most, after a renewal that could not be carried out."""
ANSWER_SECONDS: Final = 5.0
AT_ONCE: Final = 100
"""Renewals in one request."""

AnyHeld = Held[wire.Lease] | Held[wire.Slot]


class _Kept(msgspec.Struct):
    """One lease. Times are `clock`'s."""

    held: AnyHeld
    renewed_at: float
    due_at: float

    def good(self, since: float) -> None:
        """Renewed by a request that was sent then."""
        self.renewed_at, self.due_at = since, since + self.held.ttl_seconds * SHARE


class Renewer:
    """The leases of one program at one daemon. The thread begins with the first of them, and ends with `close`."""

    def __init__(self, address: Address, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._address = address
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None

    def keep(self, held: AnyHeld) -> None:
        """Keep it alive from now on."""
        kept = _Kept(held, 0.0, 0.0)
        kept.good(self._clock())
        with self._changed:
            self._kept[held.lease_id] = kept
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="aura-renewal", daemon=True)
                self._thread.start()
            self._changed.notify()

    def let_go(self, held: AnyHeld) -> None:
        """It is about to be given back: renew it no more."""
        with self._changed:
            self._kept.pop(held.lease_id, None)

    def close(self) -> None:
        """Renew nothing more, and wait for the thread's end: at most as long as one request may take."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    # --- in the thread ---

    def _run(self) -> None:
        with self._address.blocking_client() as client:
            while due := self._wait():
                for jobs in _portions([each for each in due if isinstance(each.held, Lease)]):
                    if wanted := self._wanted(jobs):
                        self._renew_jobs(client, wanted)
                for each in due:
                    if isinstance(each.held, Slot) and self._wanted([each]):
                        self._renew_slot(client, each, each.held)

    def _wait(self) -> list[_Kept]:
        """Those that are due, and those that soon will be; none once this is closed."""
        with self._changed:
            while not self._closed:
                now = self._clock()
                soonest = min((each.due_at for each in self._kept.values()), default=None)
                if soonest is not None and soonest <= now:
                    return [k for k in self._kept.values() if k.due_at - now <= k.held.ttl_seconds * SHARE / 2]
                self._changed.wait(None if soonest is None else min(soonest - now, threading.TIMEOUT_MAX))
            return []

    def _wanted(self, due: Sequence[_Kept]) -> list[_Kept]:
        """Those that are still held: the requests before this one may have taken long."""
        with self._changed:
            return [] if self._closed else [each for each in due if self._kept.get(each.held.lease_id) is each]

    def _renew_jobs(self, client: httpx2.Client, jobs: Sequence[_Kept]) -> None:
        operations: list[wire.Operation] = [
            wire.RenewOperation(job_id=lease.job_id, lease_id=lease.lease_id, ttl_seconds=lease.ttl_seconds)
            for lease in (each.held for each in jobs)
            if isinstance(lease, Lease)
        ]
        since = self._clock()
        try:
            answer = self._post(client, "/api/admission/batch", wire.BatchBody(operations=operations))
            results = msgspec.json.decode(answer, type=wire.BatchResults).results
        except (AuraError, httpx2.HTTPError, msgspec.DecodeError, UnicodeDecodeError) as error:
            for each in jobs:
                self._failed(each, Unavailable(str(error)))  # of the request: it says nothing about any lease
            return
        for each, result in zip(jobs, results, strict=False):
            if isinstance(result.lease, wire.Lease):
                self._renewed(each, result.lease, since)
            elif isinstance(result.problem, wire.Problem):
                self._failed(each, of_problem(result.problem))

    def _renew_slot(self, client: httpx2.Client, each: _Kept, slot: Slot) -> None:
        since = self._clock()
        path = f"/api/providers/{slot.provider}/slots/{slot.slot_id}/renew"
        body = wire.SlotRenewBody(ttl_seconds=slot.ttl_seconds)
        try:
            answer = self._post(client, path, body, {"Aura-Lease": slot.lease_id})
            self._renewed(each, msgspec.json.decode(answer, type=wire.Slot), since)
        except (AuraError, httpx2.HTTPError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._failed(each, error)

    def _post(
        self, client: httpx2.Client, path: str, body: msgspec.Struct, secret: dict[str, str] | None = None
    ) -> bytes:
        headers = {"Content-Type": "application/json", **(secret or {})}
        content = msgspec.json.encode(body)
        answer = client.post(path, content=content, headers=headers, timeout=ANSWER_SECONDS)
        if answer.status_code != HTTPStatus.OK:
            raise of_problem(msgspec.json.decode(answer.content, type=wire.Problem))
        return answer.content

    def _renewed(self, each: _Kept, grant: wire.Lease | wire.Slot, since: float) -> None:
        with self._changed:
            each.good(since)
            if self._kept.get(each.held.lease_id) is each:
                each.held.renewed(grant)  # type: ignore[arg-type]  # by its own kind

    def _failed(self, each: _Kept, error: Exception) -> None:
        """Gone for good, or to be tried again soon; the holder hears of it once it is no longer certain."""
        now, ttl_seconds = self._clock(), each.held.ttl_seconds
        with self._changed:
            each.due_at = now + min(AGAIN_SECONDS, ttl_seconds / 6)
            if self._kept.get(each.held.lease_id) is not each:
                return
            if isinstance(error, Gone | Foreign):
                del self._kept[each.held.lease_id]
                each.held.lose(error)
            elif now - each.renewed_at >= ttl_seconds and each.held.lost is None:
                each.held.lose(Unavailable(f"could not be renewed for {ttl_seconds:g} s: {error}"))


def _portions(kept: list[_Kept]) -> Iterator[list[_Kept]]:
    for start in range(0, len(kept), AT_ONCE):
        yield kept[start : start + AT_ONCE]
