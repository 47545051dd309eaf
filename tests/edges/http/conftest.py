"""The HTTP edge on a loopback port, before an admission that answers what the test says."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import pytest
import trio

from aura_actors.domain.leases import Lease
from aura_actors.domain.needs import JobSpec
from aura_actors.domain.providers import ProviderNeed
from aura_actors.domain.reasons import Shortfall
from aura_actors.edges.access import Access
from aura_actors.edges.bind import bind, release
from aura_actors.edges.feed import Desk, Feed
from aura_actors.edges.http.app import build
from aura_actors.edges.http.guard import Guard
from aura_actors.edges.listener import Listener, Timing
from aura_actors.edges.prometheus import Exposition, Sources
from aura_actors.edges.services import Services
from aura_actors.errors import AuraError
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.pauses import GcPauses
from aura_actors.messages import admission as m
from aura_actors.messages.admission_view import AdmissionView, DimensionView, Totals
from aura_actors.messages.backlog import Backlog
from aura_actors.messages.history import History
from aura_actors.testing import Probe
from aura_actors.wire.actors import ActorNode, Actors
from aura_actors.wire.cleanup import CleanupState
from tests.plain import async_client

NOW = 1_000.0
WALL = 1_700_000_000.0
SHORT = Shortfall(dimension="memory", needed=4, available=1, holders=("a",), text="needs 4 B, 1 B is free")
TOTALS = Totals(job_slots=4, active_jobs=0, reserved_bytes=0, active_providers=())
NODE = ActorNode(
    name="runtime", state="running", generation=1, restarts=0, last_crash=None, mailbox=None, children=[]
)


def lease(key: str = "a", **changes: Any) -> Lease:
    given: dict[str, Any] = {
        "key": key, "owner": "anonymous", "secret": "s3cret", "fence": 7, "spec": JobSpec(memory_bytes=5),
        "ttl_seconds": 30.0, "granted_at": NOW, "expires_at": NOW + 30, "granted_timestamp": WALL,
    }  # fmt: skip
    return Lease(**(given | changes))


def slot(provider: str = "OpenAI", number: str = "1") -> Lease:
    spec = JobSpec(job_slots=0, providers=(ProviderNeed(name=provider),))
    return lease(m.slot_key(provider, number), spec=spec)


def queued(key: str = "a", **changes: Any) -> m.Queued:
    given: dict[str, Any] = {
        "key": key, "ticket": "t1cket", "position": 2, "reasons": (SHORT,), "retry_after_seconds": 1.5,
        "bound_seconds": 60.0, "expires_at": NOW + 30,
    }  # fmt: skip
    return m.Queued(**(given | changes))


def memory(**changes: Any) -> DimensionView:
    given: dict[str, Any] = {
        "name": "memory", "unit": "bytes", "capacity": 100, "allowed": 80, "external": 10, "ghosts": 1,
        "promised": 20, "headroom": 49,
    }  # fmt: skip
    return DimensionView(**(given | changes))


def view(**changes: Any) -> AdmissionView:
    given: dict[str, Any] = {
        "taken_at": NOW, "timestamp": WALL, "totals": TOTALS, "jobs": (), "queue": (), "dimensions": (memory(),),
        "providers": (), "draining": False, "brake": None, "stale_since_seconds": None, "limit_bytes": None,
        "granted": 0, "denied": {}, "ended": {},
    }  # fmt: skip
    return AdmissionView(**(given | changes))


class Script:
    """Admission: a reply, an error or a function of the message for each kind of question, and what was asked."""

    def __init__(self) -> None:
        self._probe: Probe[m.AdmissionMessage] = Probe("admission")
        self.ref = self._probe.ref
        self.asked: list[Any] = []
        self.answers: dict[type, Any] = {m.Forsake: None, m.Describe: view()}

    async def run(self) -> None:
        while True:
            question: Any = await self._probe.question(object, within=math.inf)
            self.asked.append(question.message)
            answer = self.answers[type(question.message)]
            outcome = answer(question.message) if callable(answer) else answer
            if isinstance(outcome, AuraError):
                question.refuse(outcome)
            else:
                question.reply(outcome)

    def forget(self) -> None:
        """Let go of everything that was asked: the probe keeps what it took, for a crash that comes."""
        self.asked.clear()
        self._probe._taken.clear()

    async def until(self, kind: type, count: int = 1) -> Any:
        """Wait until so many of this kind were asked; the last of them."""
        with trio.fail_after(10):
            while len(found := [each for each in self.asked if isinstance(each, kind)]) < count:  # noqa: ASYNC110 - a probe tells nobody
                await trio.sleep(0.002)
        return found[-1]


class House:
    """The edge, its scripted admission, and a client."""

    def __init__(self, client: httpx2.AsyncClient, script: Script, listener: Listener, stop: trio.Event) -> None:
        self.client = client
        self.admission = script
        self.listener = listener
        self.stop = stop
        self.port = client.base_url.port or 0

    async def raw(self) -> trio.SocketStream:
        """A connection of one's own."""
        return await trio.open_tcp_stream("127.0.0.1", self.port)


async def _unheard(actor: str, action: str, target: str | None) -> None:
    """No audit."""


def services(script: Script) -> Services:
    return Services(
        admission=script.ref,
        audit=_unheard,
        cleanup=Probe("cleanup").ref,
        gpu=Probe("gpu").ref,
        snapshots=Latest(None),
        totals=Latest(TOTALS),
        cleanup_state=Latest(CleanupState(tasks=[])),
        topics={"system": Latest(None), "process": Latest(None), "alerts": Latest(None)},
        history=History(["system"], seconds=1, entries=1),
        epoch="e",
        actors=lambda: Actors(root=NODE, dead_letters=0),
        ready=lambda: True,
        bytes_per_job=2048,
        clock=lambda: NOW,
        wall=lambda: WALL,
    )


@asynccontextmanager
async def open_house_(timing: Timing | None = None, max_body_bytes: int = 65_536) -> AsyncIterator[House]:
    script, sockets, access = Script(), bind("127.0.0.1", 0), Access()
    edge = services(script)
    sources = Sources(
        snapshot=lambda: None, view=view, totals=lambda: TOTALS, actors=edge.actors, alerts=dict,
        pauses=GcPauses().statistics, threads=list, components=list,
    )  # fmt: skip
    app = build(edge, Exposition(sources), {}, max_body_bytes=max_body_bytes)
    desk = Desk(admission=script.ref, bytes_per_job=2048)
    feed = Feed(epoch="e", backlog=Backlog(()), access=access, desk=desk, sampler_interval_seconds=1)
    listener = Listener(sockets, Guard(app, access), feed, timing=timing)
    stop = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(script.run)
            await nursery.start(partial(listener.run, stopping=stop))
            url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
            async with async_client(url, timeout=30) as client:
                yield House(client, script, listener, stop)
            nursery.cancel_scope.cancel()
    finally:
        release(sockets)


@pytest.fixture
def open_house() -> Callable[..., AbstractAsyncContextManager[House]]:
    """`async with open_house() as house`."""
    return open_house_


@pytest.fixture
def data() -> Any:
    """What admission says: `data.lease()`, `data.queued()`, `data.view()`, `data.slot()`."""

    class Data:
        lease = staticmethod(lease)
        slot = staticmethod(slot)
        queued = staticmethod(queued)
        view = staticmethod(view)
        memory = staticmethod(memory)
        short = SHORT

    return Data
