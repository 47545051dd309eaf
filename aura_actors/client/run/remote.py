"""A lease from a daemon: asks, waits by long polls, asks again while the daemon is away, renews, gives back.

Owns the rules of patience. How a request travels is a `Transport`'s business, which the command line makes.
"""

import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

from aura_actors.client.exchange import Reply
from aura_actors.client.run.lease import Claim, Needs, NotNow, Report, Tell, Waiting
from aura_actors.errors import Conflict, InvalidValue, NeverFits, Unavailable
from aura_actors.wire.admission import Lease, Ticket
from aura_actors.wire.amounts import amount
from aura_actors.wire.health import Health
from aura_actors.wire.problems import Problem, Reason

JOBS: Final = "/api/admission/jobs"
HEALTH: Final = "/health/live"
FIRST_POLL_SECONDS: Final = 0.2
"""A short one, so that there is a place to show."""
POLL_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 0.5
LEAVE_SECONDS: Final = 2.0
"""To give a place back: no signal ends us meanwhile, and the daemon finds out by itself."""
RELEASE_SECONDS: Final = 5.0
"""The same for a lease; longer, because what the run needed is told with it."""
HEARD_SECONDS: Final = (5.0, 15.0)
"""For whoever is a daemon to say so, by how long the caller would wait."""
BOUND_TTL_SECONDS: Final = 300.0
"""Of a lease that ends with its process anyway: it outlives the wrapper by as much, where the command does."""
_NEVER: Final = "/never-fits"
_RENEWALS_PER_TTL: Final = 3


class Transport(Protocol):
    """One daemon."""

    url: str

    def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_seconds: float = 0.0,
        within_seconds: float | None = None,
    ) -> Reply:
        """One request; the server may take `wait_seconds` for it. Raises Unavailable where nothing came back.

        With `within_seconds` nothing of it may take longer than that.
        """
        ...


class _NotUnderstood(Unavailable):
    """Whoever answers there is no daemon of ours: asking again is no use."""


class _Problem(msgspec.Struct, kw_only=True, rename="camel"):
    """A problem document."""

    type: str = ""
    title: str = ""
    detail: str = ""
    pointer: str | None = None
    reasons: list[Reason] = []
    retry_after_seconds: float | None = None


class Remote:
    """One lease of one daemon."""

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._lease: Lease | None = None
        self._ticket: Ticket | None = None
        self._ended = threading.Event()
        self._answered = threading.Event()
        self._answered.set()
        self._renewer: threading.Thread | None = None

    # --- waiting ---

    def acquire(self, needs: Needs, wait_seconds: float, tell: Tell) -> Claim:
        """As `Keeper.acquire`. A daemon that was heard once is waited for; one that never was is not there."""
        shortest, longest = HEARD_SECONDS
        greeting = self._transport.send("GET", HEALTH, within_seconds=min(max(shortest, wait_seconds), longest))
        if not _is_ours(greeting):
            raise _NotUnderstood(
                f"no daemon answers at {self._transport.url}: "
                f"whoever does answered {greeting.status}, and not as an aura daemon does; is it the right --url?"
            )
        body: dict[str, object] = dict(needs)
        until = self._clock() + wait_seconds
        poll_seconds, doubts = FIRST_POLL_SECONDS, ""
        while not self._ended.is_set():
            left = max(0.0, until - self._clock())
            ttl = {"ttlSeconds": BOUND_TTL_SECONDS} if "pid" in body else {}
            asked = body | ttl | {"waitSeconds": min(left, poll_seconds)}
            try:
                reply = self._ask(asked, min(left, poll_seconds))
            except _NotUnderstood:
                raise
            except Unavailable as error:
                self._later(until, tell, Waiting(text=f"{error}; asking again"), AGAIN_SECONDS)
                continue
            problem = _problem(reply)
            if self._lease is not None:
                return self._claim(body, doubts)
            if reply.status == HTTPStatus.ACCEPTED and (ticket := self._ticket) is not None:
                tell(waiting := Waiting(position=ticket.position, reasons=ticket.reasons))
                self._check_time(until, waiting)
                poll_seconds = POLL_SECONDS
            elif reply.status == HTTPStatus.UNPROCESSABLE_ENTITY and problem.pointer in _doubtful(body):
                doubts = problem.detail
                body.pop("cgroup", None)
                if problem.pointer == "/pid":
                    del body["pid"]
            elif _may_change(reply.status) and left:
                pause = problem.retry_after_seconds or AGAIN_SECONDS
                self._later(until, tell, Waiting(text=_text(problem), reasons=problem.reasons), pause)
            else:
                raise _refusal(reply, problem, self._transport.url)
        raise NotNow("it waits no longer")

    def _ask(self, body: Needs, wait_seconds: float) -> Reply:
        """One poll; what it brought is ours before anybody hears of it."""
        self._answered.clear()
        try:
            reply = self._transport.send("POST", JOBS, body, wait_seconds=wait_seconds)
            self._take_in(reply)
        finally:
            self._answered.set()
        return reply

    def _take_in(self, reply: Reply) -> None:
        try:
            if reply.status in (HTTPStatus.OK, HTTPStatus.CREATED):
                self._lease = msgspec.json.decode(reply.content, type=Lease)
            elif reply.status == HTTPStatus.ACCEPTED:
                self._ticket = msgspec.json.decode(reply.content, type=Ticket)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            text = f"{self._transport.url} answered something that this version does not know: {error}"
            raise _NotUnderstood(text) from error

    def _claim(self, body: Needs, doubts: str) -> Claim:
        assert self._lease is not None
        told = f"cgroup {body['cgroup']}" if "cgroup" in body else "process tree" if "pid" in body else "none"
        why = f" ({doubts})" if doubts else ""
        return Claim(
            job_id=self._lease.job_id,
            fence=self._lease.fence,
            memory_bytes=self._lease.memory_bytes,
            attribution=told + why,
        )

    def _later(self, until: float, tell: Tell, waiting: Waiting, pause_seconds: float) -> None:
        tell(waiting)
        self._check_time(until, waiting)
        time.sleep(min(pause_seconds, max(0.0, until - self._clock())))

    def _check_time(self, until: float, waiting: Waiting) -> None:
        if self._clock() >= until:
            self.release(Report())
            raise NotNow(f"there was no room in time: {waiting}")

    # --- holding ---

    def keep(self, lost: Callable[[str], None]) -> None:
        """Renew in a thread, at a third of what the daemon granted, until `release`."""
        self._renewer = threading.Thread(target=self._renew, args=(lost,), daemon=True, name="renewal")
        self._renewer.start()

    def _renew(self, lost: Callable[[str], None]) -> None:
        assert self._lease is not None
        path, headers = f"{JOBS}/{self._lease.job_id}/renew", {"Aura-Lease": self._lease.lease_id}
        period_seconds = pause_seconds = self._lease.ttl_seconds / _RENEWALS_PER_TTL
        while not self._ended.wait(pause_seconds):
            try:
                reply = self._transport.send("POST", path, {}, headers)
            except Unavailable:
                pause_seconds = min(AGAIN_SECONDS, period_seconds)
                continue
            if reply.status in (HTTPStatus.GONE, HTTPStatus.FORBIDDEN):
                if not self._ended.is_set():
                    lost(_text(_problem(reply)))
                return
            pause_seconds = period_seconds if reply.status == HTTPStatus.OK else AGAIN_SECONDS

    def release(self, report: Report) -> None:
        """Once; a daemon that does not answer finds out by itself, because the process is gone."""
        self._ended.set()
        if self._lease is None and self._ticket is None:
            # The first poll is a short one. Later ones end with the connection, and their place with them.
            self._answered.wait(2 * FIRST_POLL_SECONDS)
        lease, ticket, self._lease, self._ticket = self._lease, self._ticket, None, None
        if lease is not None:
            body: dict[str, object] = {"oomKilled": True} if report.oom_killed else {}
            if report.peak_bytes is not None:
                body["peakBytes"] = report.peak_bytes
            self._give_back(lease.job_id, {"Aura-Lease": lease.lease_id}, body or None, RELEASE_SECONDS)
        elif ticket is not None:
            self._give_back(ticket.job_id, {"Aura-Ticket": ticket.ticket}, None, LEAVE_SECONDS)

    def _give_back(
        self,
        job_id: str,
        headers: Mapping[str, str],
        body: Mapping[str, object] | None,
        within_seconds: float,
    ) -> None:
        try:
            self._transport.send("DELETE", f"{JOBS}/{job_id}", body, headers, within_seconds=within_seconds)
        except Unavailable:
            return


def _doubtful(body: Needs) -> list[str]:
    """What a daemon may not believe; without it the lease is granted all the same."""
    return [f"/{name}" for name in ("cgroup", "pid") if name in body]


def _may_change(status: int) -> bool:
    """Whether asking again may be answered otherwise."""
    return status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT) or status >= 500


def _is_ours(greeting: Reply) -> bool:
    """Whether a daemon answered `GET /health/live`. A problem document is one as well: of a foreign Host, say."""
    try:
        if greeting.status == HTTPStatus.OK:
            return msgspec.json.decode(greeting.content, type=Health).status == "live"
        return msgspec.json.decode(greeting.content, type=Problem).status == greeting.status
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def _problem(reply: Reply) -> _Problem:
    if reply.status < HTTPStatus.BAD_REQUEST:
        return _Problem()
    try:
        return msgspec.json.decode(reply.content, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Problem(detail=f"it answered {reply.status}")


def _text(problem: _Problem) -> str:
    return problem.detail or problem.title


def _never(reason: Reason) -> str:
    needed, most = (amount(reason.dimension, value) for value in (reason.needed, reason.available))
    much = "" if needed is None else f" (needs {needed} of {most})"
    return f"{reason.dimension}: {reason.text}{much}"


def _refusal(reply: Reply, problem: _Problem, url: str) -> Exception:
    text = _text(problem) or f"{url} answered {reply.status}"
    match reply.status:
        case HTTPStatus.UNPROCESSABLE_ENTITY if problem.type.endswith(_NEVER):
            short = "; ".join(map(_never, problem.reasons)) or text
            return NeverFits(f"it never fits here: {short}", reasons=tuple(problem.reasons))
        case HTTPStatus.UNPROCESSABLE_ENTITY | HTTPStatus.BAD_REQUEST:
            return InvalidValue(text)
        case HTTPStatus.CONFLICT:
            return Conflict(text)
        case HTTPStatus.UNAUTHORIZED:
            return Unavailable(f"the daemon at {url} wants another token: set AURA_TOKEN or pass --token-file")
        case HTTPStatus.GONE:
            return NotNow(text)
        case status if _may_change(status):
            return NotNow(text)
    return Unavailable(f"{url} answered {reply.status}: {text}")
