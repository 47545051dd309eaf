"""A small admission actor that keeps to the contract: so many bytes, first come, first served; never a journal."""

import secrets
from collections.abc import Awaitable, Callable

import msgspec
import trio

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.domain.providers import ProviderNeed
from aura_actors.domain.reasons import Judgement, Outcome, Shortfall
from aura_actors.errors import AuraError, Conflict, Foreign, Gone, NeverFits, NotStarted, Refused
from aura_actors.kernel.actor import Actor, Context
from aura_actors.messages import admission as m

Taking = m.Acquire | m.AcquireSlot


async def at_once(message: m.AdmissionMessage) -> None:
    """Nothing holds up the actor."""


class Books:
    """What outlives an incarnation, and what a test looks at."""

    def __init__(self, capacity_bytes: int = 100) -> None:
        self.capacity_bytes = capacity_bytes
        self.live: dict[str, Lease] = {}
        self.queue: list[tuple[str, Taking]] = []
        self.handled: list[m.AdmissionMessage] = []
        self.released: list[m.Release] = []
        self.fence = 0
        self.before: Callable[[m.AdmissionMessage], Awaitable[None]] = at_once
        """Called with each message before it is carried out; may wait or raise."""

    def of(self, kind: type[msgspec.Struct]) -> list[m.AdmissionMessage]:
        return [message for message in self.handled if isinstance(message, kind)]

    @property
    def batches(self) -> list[int]:
        return [len(message.operations) for message in self.handled if isinstance(message, m.Batch)]

    @property
    def free(self) -> int:
        return self.capacity_bytes - sum(lease.spec.memory_bytes for lease in self.live.values())


class Toy(Actor[m.AdmissionMessage]):
    """Carries it out."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def open(self, context: Context[m.AdmissionMessage]) -> None:
        waiting, self._books.queue = self._books.queue, []
        for _, request in waiting:
            tell(request, NotStarted("restarted", retry_after_seconds=0.01))

    async def handle(self, message: m.AdmissionMessage) -> object:
        self._books.handled.append(message)
        await self._books.before(message)
        answer = self._carry_out(message)
        self._schedule()
        return answer

    def _carry_out(self, message: m.AdmissionMessage) -> object:
        books = self._books
        match message:
            case m.Batch(operations=operations):
                return tuple(self._tried(operation) for operation in operations)
            case m.Acquire() | m.AcquireSlot():
                return self._acquire(message)
            case m.Preflight(spec=spec):
                outcome = Outcome.GRANT if spec.memory_bytes <= books.free else Outcome.WAIT
                return m.Forecast(judgement=Judgement(outcome=outcome), position=None, bound_seconds=None)
            case m.Renew(key=key, secret=secret) | m.Ready(key=key, secret=secret):
                lease = self._held(key, secret)
                fresh = msgspec.structs.replace(lease, expires_at=trio.current_time() + lease.ttl_seconds)
                books.live[key] = fresh
                return fresh
            case m.Release(key=key, secret=secret):
                self._held(key, secret)
                books.released.append(message)
                del books.live[key]
            case m.Abandon(turn=turn):
                if isinstance(turn.value, m.Grant):
                    return turn.value
                return self._place(next(key for key, request in books.queue if request.turn is turn))
            case m.Forsake(turn=turn):
                books.queue = [each for each in books.queue if each[1].turn is not turn]
                if isinstance(turn.value, m.Grant):
                    books.live.pop(turn.value.lease.key, None)
            case m.Disconnected(connection=connection):
                books.queue = [each for each in books.queue if each[1].connection != connection]
                books.live = {key: each for key, each in books.live.items() if each.connection != connection}
            case m.Revoke(job_id=job_id):
                del books.live[job_id]
            case _:
                raise TypeError(f"not in the toy: {message!r}")
        return None

    def _tried(self, operation: m.Operation) -> object:
        try:
            return self._carry_out(operation)
        except AuraError as error:
            return error

    def _held(self, key: str, secret: str | None) -> Lease:
        lease = self._books.live.get(key)
        if lease is None:
            raise Gone(f"there is no live lease of {key}")
        if lease.secret != secret:
            raise Foreign(f"{key} is held under another lease id; nothing was changed")
        return lease

    def _acquire(self, message: Taking) -> m.Grant | m.Queued:
        books = self._books
        key = self._key(message)
        held = books.live.get(key)
        if held is not None and held.owner != message.owner:
            raise Conflict(f"{key} is held by another owner")
        if held is not None:
            return m.Grant(lease=held, again=True)
        if any(key == each for each, _ in books.queue):
            return self._place(key)
        need = message.spec.memory_bytes if isinstance(message, m.Acquire) else 0
        if need > books.capacity_bytes:
            raise NeverFits("more than there is", reasons=(self._short(need),))
        if need <= books.free and not books.queue:
            return self._grant(key, message)
        if not message.wait:
            raise Refused("no room", reasons=(self._short(need),), retry_after_seconds=1.0)
        books.queue.append((key, message))
        return self._place(key)

    def _key(self, message: Taking) -> str:
        if isinstance(message, m.Acquire):
            return message.job_id
        return m.slot_key(message.provider, f"{message.provider}-{self._books.fence + 1}")

    def _grant(self, key: str, message: Taking) -> m.Grant:
        books, now = self._books, trio.current_time()
        books.fence += 1
        if isinstance(message, m.Acquire):
            spec = message.spec
        else:
            need = ProviderNeed(name=message.provider, tokens=message.tokens)
            spec = JobSpec(providers=(need,), job_slots=0)
        ttl = message.ttl_seconds or 30.0
        books.live[key] = Lease(
            key=key, owner=message.owner, secret=secrets.token_hex(4), fence=books.fence, spec=spec,
            ttl_seconds=ttl, granted_at=now, expires_at=now + ttl, granted_timestamp=0.0, process=message.process,
            connection=message.connection,
        )  # fmt: skip
        return m.Grant(lease=books.live[key], again=False)

    def _place(self, key: str) -> m.Queued:
        position = [each for each, _ in self._books.queue].index(key) + 1
        return m.Queued(
            key=key, ticket="t", position=position, reasons=(self._short(1),), retry_after_seconds=1.0,
            bound_seconds=None, expires_at=trio.current_time() + 30,
        )  # fmt: skip

    def _short(self, need: int) -> Shortfall:
        holders = tuple(self._books.live)
        return Shortfall(
            dimension="memory", needed=need, available=self._books.free, holders=holders, text="taken by others"
        )

    def _schedule(self) -> None:
        books = self._books
        while books.queue:
            key, request = books.queue[0]
            if isinstance(request, m.Acquire) and request.spec.memory_bytes > books.free:
                return
            books.queue.pop(0)
            tell(request, self._grant(key, request))


def tell(request: Taking, outcome: m.Grant | AuraError) -> None:
    assert request.turn is not None
    request.turn.set(outcome)
