"""What a program holds of a daemon: reservations, provider slots, subscriptions, and a look at the machine.

Owns these verbs and their arguments, which are those of the runtime that a program embeds; how a lease is asked
for, kept and given back is the business of the files beside this one.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Final, Unpack

import anyio
import anyio.to_thread

from aura_actors.client.address import Address, address_of
from aura_actors.client.answers import decoded
from aura_actors.client.asking import SLOT_POLL_SECONDS, Asking
from aura_actors.client.calls import Calls
from aura_actors.client.giving_back import GivingBack
from aura_actors.client.held import Lease, Slot, held_once
from aura_actors.client.needs import job_body, slot_body
from aura_actors.client.process import Pid, Process
from aura_actors.client.renewal import Renewer
from aura_actors.client.session import Session, open_session
from aura_actors.client.subscription import Frames
from aura_actors.client.tasks import Tasks, open_tasks
from aura_actors.client.websocket import open_feed
from aura_actors.wire import admission, feed, metrics
from aura_actors.wire.alerts import Alerts
from aura_actors.wire.arguments import Duration, Needs, checked, seconds_of
from aura_actors.wire.units import parse_duration

ADMISSION: Final = "/api/admission"
Jobs = Asking[admission.AcquireBody, admission.Lease]
Slots = Asking[admission.SlotBody, admission.Slot]

JOBS: Final = f"{ADMISSION}/jobs"


class Aura:
    """One daemon, for one program. Made by `connect`."""

    def __init__(self, address: Address, calls: Calls, tasks: Tasks, owner: str | None) -> None:
        self._address = address
        self._tasks = tasks
        self._owner = owner
        self._calls = calls
        self._giving_back = GivingBack(calls, tasks)
        self._process = Process(is_told=address.is_local)
        self._renewer = Renewer(address)
        self._taken: set[str] = set()
        self._frames: set[Frames] = set()

    # --- holding ---

    @asynccontextmanager
    async def reserve(
        self,
        job_id: str,
        *,
        wait: Duration | None = None,
        ttl: Duration | None = None,
        pid: Pid = "own",
        **needs: Unpack[Needs],
    ) -> AsyncIterator[Lease]:
        """Hold a lease for the time of the block.

        `needs` are those of `Runtime.reserve`: `memory`, `cpu`, `gpu`, `gpu_memory`, `scratch`, `units`,
        `providers`, `priority`, `kind`, `max_runtime`, `hold_paths`. Sizes are bytes or texts such as `"2GiB"`,
        durations seconds or texts such as `"10m"`. With `wait` the block begins when there is room; `math.inf`
        waits as long as it takes, over restarts of the daemon too. `pid` says whose memory is the job's, and the
        lease ends with it: this process and its children, a child of its own, or None for nobody's. This process
        counts once for all the jobs that name it, its own memory included: reserve for that as well.

        The lease is renewed by a thread, so that the block may hold up its loop. Whether it has been lost
        (revoked, say) is `lease.lost`; the block itself is not cancelled.

        Raises `Refused` with the reasons when there is no room (in time), `NeverFits` when there never will be,
        `Conflict` when another block or somebody else holds that id, `SpecChanged` when the id is held for other
        needs, `Draining` when nothing is admitted, `InvalidValue` for a wrong argument, `Unreachable` when no
        daemon answers. Whoever is cancelled leaves nothing behind.
        """
        body = job_body(job_id, owner=self._owner, ttl=ttl, **needs)
        seconds = seconds_of(wait)
        asking: Jobs = Asking(self._calls, JOBS, admission.Lease, self._giving_back.job)
        with held_once(self._taken, job_id):
            grant = await self._process.named(body, pid, lambda asked: asking.take(self._tasks, asked, seconds))
            lease = Lease(grant, self)
            self._renewer.keep(lease)
            try:
                yield lease
            finally:
                self._renewer.let_go(lease)
                await self._giving_back.job(lease.grant)

    @asynccontextmanager
    async def provider(
        self,
        name: str,
        *,
        tokens: int = 0,
        wait: Duration | None = None,
        ttl: Duration | None = None,
        pid: Pid = "own",
    ) -> AsyncIterator[Slot]:
        """Hold a slot at a provider for the time of the block, and `tokens` of its budget.

        `slot.settle(tokens=731)` corrects the estimate at the end of the block, and `outcome="throttled"` says that
        the provider answered 429 or 503. Raises as `reserve` does.
        """
        body, name = slot_body(owner=self._owner, tokens=tokens, ttl=ttl), checked(name, admission.Name)
        path, seconds = f"/api/providers/{name}/slots", seconds_of(wait)
        asking: Slots = Asking(
            self._calls, path, admission.Slot, self._giving_back.slot, poll_seconds=SLOT_POLL_SECONDS
        )
        grant = await self._process.named(body, pid, lambda asked: asking.take(self._tasks, asked, seconds))
        slot = Slot(grant)
        self._renewer.keep(slot)
        try:
            yield slot
        finally:
            self._renewer.let_go(slot)
            await self._giving_back.slot(slot.grant, slot.used)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """The same verbs over one connection, whose end is the end of all that was taken on it.

        For many short jobs: questions do not wait for each other's answers, and the daemon renews. A restart of the
        daemon, or a loop that stands still for 30 s, ends it: `session.lost` and `lease.lost` say so.
        """
        socket = await open_feed(self._address)
        async with open_session(socket, self._tasks, self._process, self._owner, self._taken) as session:
            yield session

    # --- asking ---

    async def preflight(
        self, job_id: str = "preflight", *, pid: Pid = "own", **needs: Unpack[Needs]
    ) -> admission.Preflight:
        """What `reserve` would be answered now; takes nothing."""
        body = job_body(job_id, owner=self._owner, **needs)
        ask = partial(self._calls.post, f"{ADMISSION}/preflight", kind=admission.Preflight)
        return await self._process.named(body, pid, ask)

    def subscribe(self, *topics: feed.Topic, interval: Duration | None = None) -> Frames:
        """Every publication of these topics, to iterate over, at most one for each in `interval`.

        A lost connection is made again, and the daemon waited for, for as long as it is iterated over.
        """
        interval_ms = None if interval is None else round(parse_duration(interval) * 1000)
        return Frames(partial(open_feed, self._address), topics, interval_ms, self._frames)

    async def system(self) -> metrics.SystemMetrics:
        """The last sample of the machine."""
        return await self._calls.get("/api/metrics/system", metrics.SystemMetrics)

    async def process(self) -> metrics.ProcessMetrics:
        """The daemon's own process."""
        return await self._calls.get("/api/metrics/process", metrics.ProcessMetrics)

    async def utilization(self) -> metrics.Utilization:
        """Job slots and reservations now, with the last sample's percentages."""
        return await self._calls.get("/api/metrics/utilization", metrics.Utilization)

    async def jobs(self) -> admission.Jobs:
        """Live leases and the queue, without their secrets."""
        return await self._calls.get(JOBS, admission.Jobs)

    async def providers(self) -> admission.Providers:
        """Providers, their slots and their budgets."""
        return await self._calls.get("/api/providers", admission.Providers)

    async def alerts(self) -> Alerts:
        """What is above its threshold now."""
        return await self._calls.get("/api/alerts", Alerts)

    # --- of a lease ---

    async def ready(self, lease: Lease) -> admission.Lease:
        """Say that the job uses what it will use; `lease.ready()`."""
        return await self._change(lease, "ready", None)

    async def resize(self, lease: Lease, body: admission.RenewBody) -> admission.Lease:
        """Change what is held; `lease.resize()`."""
        return await self._change(lease, "renew", body)

    async def _change(self, lease: Lease, verb: str, body: admission.RenewBody | None) -> admission.Lease:
        path, secret = f"{JOBS}/{lease.job_id}/{verb}", {"Aura-Lease": lease.lease_id}
        answer = await self._calls.ask("POST", path, body=body, secret=secret)
        return decoded(answer.content, admission.Lease)

    # --- life ---

    async def aclose(self) -> None:
        """End the subscriptions and the thread; `connect` does."""
        for frames in tuple(self._frames):
            await frames.aclose()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._renewer.close, limiter=anyio.CapacityLimiter(1))


@asynccontextmanager
async def connect(
    url: str | None = None, *, token: str | None = None, owner: str | None = None
) -> AsyncIterator[Aura]:
    """Speak to a daemon, on Trio or asyncio, for the time of the block.

    `url` is `http://HOST:PORT`, `https://HOST:PORT` or `unix:/path`: `AURA_URL` where it is not given, else
    `http://127.0.0.1:8080`; `token` is `AURA_TOKEN` where it is not given. `owner` is in whose name is asked, where
    neither a token nor a unix socket tells. Nothing is sent before the first verb is used. Raises InvalidValue.
    """
    address = address_of(url, token)
    named = None if owner is None else checked(owner, admission.Owner)
    async with aclosing(Calls(address)) as calls, open_tasks() as tasks:
        aura = Aura(address, calls, tasks, named)
        try:
            yield aura
        finally:
            await aura.aclose()
