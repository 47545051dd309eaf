"""The composition root: makes every part from the settings and hands each what it needs.

The one file that knows them all. Owns the supervision tree, as data; starts nothing itself.
"""

import math
import random
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from aura_actors.actors.admission import Admission, Environment
from aura_actors.actors.cleanup import Archive, Child, Cleanup, CleanupWorld, DiskPressure, Sweeper
from aura_actors.actors.gpu import Gpu, Probe
from aura_actors.actors.publisher import Publisher, World
from aura_actors.actors.sampler import Sampler
from aura_actors.actors.tuner import Tuner
from aura_actors.cleaners.space import fullness
from aura_actors.collectors.attribution import Attribution
from aura_actors.collectors.base import Collector
from aura_actors.collectors.registry import DEFAULT_COLLECTORS
from aura_actors.config import Http, Settings
from aura_actors.config.certificate import Certificate
from aura_actors.domain.alerts import Alerts
from aura_actors.domain.attribution import Root
from aura_actors.domain.flights import Errand
from aura_actors.domain.gpu import GpuState
from aura_actors.domain.snapshot import Snapshot
from aura_actors.edges.bind import address_of
from aura_actors.edges.feed import Desk, Feed, Limits
from aura_actors.edges.http.app import build
from aura_actors.edges.http.guard import Guard
from aura_actors.edges.listener import Listener
from aura_actors.edges.prometheus import CleanupTally, Exposition, Sources, edges
from aura_actors.edges.services import Services
from aura_actors.kernel.cell import Cell, DeadLetter
from aura_actors.kernel.child_spec import ChildSpec
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.pauses import GcPauses
from aura_actors.kernel.process_exit import has_ended
from aura_actors.kernel.reports import CrashReport
from aura_actors.kernel.supervisor import Supervisor
from aura_actors.kernel.threads import LimiterStatistics, Threads, default_statistics
from aura_actors.kernel.watchdog import LoopWatchdog
from aura_actors.messages import public
from aura_actors.messages.admission import AdmissionMessage
from aura_actors.messages.admission_view import AdmissionView, Totals
from aura_actors.messages.backlog import Backlog
from aura_actors.messages.cleanup import CleanupMessage, CleanupNews
from aura_actors.messages.gpu import GpuMessage
from aura_actors.messages.incidents import Incidents
from aura_actors.messages.publisher import PublisherMessage
from aura_actors.messages.sampler import LookAgain, SamplerMessage
from aura_actors.messages.topics import Component, Publication
from aura_actors.messages.tuner import TunerMessage
from aura_actors.runtime import cleaning, rules, voice
from aura_actors.runtime.audit import Audit
from aura_actors.runtime.chance import unguessable
from aura_actors.runtime.held import Held
from aura_actors.stores.quarantine import QuarantineStore
from aura_actors.wire.actors import Actors
from aura_actors.wire.cleanup import CleanupReport, CleanupState
from aura_actors.wire.feed import TOPICS

SHUTDOWN_SECONDS = 5.0
"""For the orderly end of all parts together; then they are cancelled."""


def _boot_clock() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """Time, chance and sources of readings: what tests replace.

    `clock` is monotonic within one boot; `boot_clock` is too, and goes on while the machine sleeps.
    """

    clock: Callable[[], float] = time.monotonic
    boot_clock: Callable[[], float] = _boot_clock
    wall: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random
    collectors: Sequence[Collector] = DEFAULT_COLLECTORS
    gpu: Probe = Probe()
    sweeper: Sweeper = Sweeper()


class Parts:
    """Every part of one runtime, wired. `sockets` are bound already; without any, nothing is served."""

    def __init__(
        self,
        settings: Settings,
        held: Held,
        sockets: Sequence[socket.socket],
        surroundings: Surroundings,
        certificate: Certificate | None,
    ) -> None:
        self.settings = settings
        """Those in force; `changing` replaces them."""
        self.held = held
        """Opened before these parts run, closed after them."""
        self.seen = rules.seen(settings, held.kinds.known)
        self.sockets = sockets
        self.certificate = certificate
        """The one that new connections are shown; `changing` replaces it."""
        self.doors: list[Guard | Feed] = []
        """Where the rules of access are asked."""
        self.surroundings = surroundings
        self.incidents = Incidents()
        self.when_stuck: Callable[[list[str]], None] = voice.stuck
        """What to do about parts that do not end even when cancelled. The daemon ends the process."""
        self.epoch = secrets.token_hex(8)
        self.threads = Threads()
        self.snapshots: Latest[Snapshot | None] = Latest(None)
        self.gpus: Latest[GpuState | None] = Latest(None)
        self.roots: Latest[tuple[Root, ...]] = Latest(())
        """Where the processes of leases are to be found; set by admission."""
        self.totals = Latest(Totals(job_slots=0, active_jobs=0, reserved_bytes=0, active_providers=()))
        self.view: Latest[AdmissionView | None] = Latest(None)
        self.cleanup_state = Latest(CleanupState(tasks=[]))
        self.topics: dict[str, Latest[Publication | None]] = {topic: Latest(None) for topic in TOPICS}
        self.backlog = Backlog(TOPICS)
        self.history = rules.history_of(settings)
        self.pauses = GcPauses()
        self.alerts = Alerts(rules.thresholds(settings))
        self.audit = Audit(held.data.path, self.threads.limiter("audit"), surroundings.wall, voice.unaudited)
        self.cleanups = CleanupTally(lambda: self.cleanup_state.value)
        self.cleaned = CleanupNews()
        self.components: Latest[tuple[Component, ...]] = Latest(())
        self.gpu: Cell[GpuMessage] = self._cell("gpu", self._gpu())
        self.sampler: Cell[SamplerMessage] = self._cell("sampler", self._sampler())
        self.admission: Cell[AdmissionMessage] = self._cell("admission", self._admission())
        self.cleanup: Cell[CleanupMessage] = self._cell("cleanup", self._cleanup())
        self.publisher: Cell[PublisherMessage] = self._cell("publisher", self._publisher())
        self.tuner: Cell[TunerMessage] = self._cell("tuner", self._tuner())
        self.supervisor = Supervisor(
            "runtime",
            [
                ChildSpec(name="sampler", service=self.sampler),
                ChildSpec(name="admission", service=self.admission, start_seconds=math.inf),  # for its journal
                ChildSpec(name="cleanup", service=self.cleanup),
                ChildSpec(name="gpu", service=self.gpu),
                ChildSpec(name="publisher", service=self.publisher),
                *([ChildSpec(name="tuner", service=self.tuner)] if settings.threads.adjust else []),
                *([ChildSpec(name="listener", service=self._listener(sockets))] if sockets else []),
                ChildSpec(name="watchdog", service=LoopWatchdog(voice.stalled)),
            ],
            shutdown_seconds=SHUTDOWN_SECONDS,
            report=self._report,
            on_stuck=lambda names: self.when_stuck(names),
            chance=surroundings.chance,
            wall=surroundings.wall,
        )

    def ready(self) -> bool:
        """True once decisions rest on measurements, two samples and admission's books, and while not draining."""
        taken = self.snapshots.value
        running = any(node.name == "admission" and node.state == "running" for node in self.supervisor.nodes())
        if self.totals.value.draining:
            return False
        return running and taken is not None and taken.number >= 2 and self.view.value is not None

    def actors(self) -> Actors:
        """The supervision tree as it is now."""
        return public.tree(self.supervisor, self.incidents.dead_letters_total)

    # --- the actors ---

    def _cell(self, name: str, factory: Callable[[], object]) -> Cell:  # type: ignore[type-arg]  # typed by its caller
        return Cell(name, factory, dead_letter=self._bury)  # type: ignore[arg-type]  # typed by its caller

    def _bury(self, letter: DeadLetter) -> None:
        self.incidents.buried(letter)
        voice.buried(letter)

    def _report(self, crash: CrashReport) -> None:
        self.incidents.crashed(crash)
        voice.crashed(crash)

    def _cleaned(self, report: CleanupReport, errand: Errand) -> None:
        self.cleanups.add(report, errand)
        self.cleaned.add(report)
        voice.cleaned(report, errand)

    def _limiters(self) -> list[LimiterStatistics]:
        return [*self.threads.statistics(), default_statistics()]

    def _sampler(self) -> Callable[[], Sampler]:
        attribution = Attribution(lambda: self.roots.value)  # beside what it is compared with: total use
        return lambda: Sampler(
            [attribution, *self.surroundings.collectors],
            self.snapshots,
            lambda name: self.threads.limiter(f"collector-{name}"),
            self.settings.sampler.interval,
            self.surroundings.clock,
            self.surroundings.wall,
            gpu=lambda: self.gpus.value,
            intervals=self.settings.sampler.intervals.seconds_by_name,
        )

    def _gpu(self) -> Callable[[], Gpu]:
        limiter = self.threads.limiter("gpu")
        return lambda: Gpu(
            self.gpus,
            self.surroundings.gpu,
            limiter=limiter,
            wall=self.surroundings.wall,
            chance=self.surroundings.chance,
            report=voice.gpu,
        )

    def _admission(self) -> Callable[[], Admission]:
        limiter = self.threads.limiter("journal")
        around, kinds = self.surroundings, self.held.kinds
        environment = Environment(
            clock=around.clock,
            boot_clock=around.boot_clock,
            wall=around.wall,
            secret=partial(next, unguessable()),
            chance=around.chance,
            look_again=self._look_again,
            alive=lambda process: not has_ended(process.pid, process.start_ticks),
        )
        return lambda: Admission(
            rules.admission_rule(self.settings),
            journal=self.held.journal,
            snapshots=self.snapshots,
            totals=self.totals,
            view=self.view,
            roots=self.roots,
            seen=self.seen,
            limiter=limiter,
            environment=environment,
            remember=kinds.save,
        )

    def _look_again(self) -> None:
        self.sampler.ref.tell(LookAgain())

    def _cleanup(self) -> Callable[[], Cleanup]:
        held, around, threads = self.held, self.surroundings, self.threads.limiter("cleanup-store")
        disks = DiskPressure(fullness, self.threads.limiter("cleanup-disks"))
        world = CleanupWorld(
            clock=around.boot_clock,
            wall=around.wall,
            hire=lambda nursery: Child.start(around.sweeper, nursery, voice.sweeper),
            load=lambda: cleaning.load(self.snapshots.value, self.totals.value),
            pins=lambda: self.seen.held_paths.paths,
            objection=held.objection,
        )

        def make() -> Cleanup:
            rule = cleaning.cleanup_rule(self.settings, held.data)
            archive = Archive(
                held.schedule,
                rule.data_dir,
                threads,
                lambda: QuarantineStore.look(held.data.quarantine),
                around.wall,
            )
            return Cleanup(
                rule, world, archive=archive, disks=disks, state=self.cleanup_state, publish=self._cleaned
            )

        return make

    def _publisher(self) -> Callable[[], Publisher]:
        world = World(
            snapshots=self.snapshots,
            totals=self.totals,
            admission=self.view,
            cleanup=self.cleanup_state,
            decisions=self.seen.decisions,
            cleaned=self.cleaned,
            actors=self.actors,
            incidents=self.incidents,
            threads=self._limiters,
            pauses=self.pauses.statistics,
            parts=self._components,
            components=self.components,
        )
        sequences: dict[str, int] = {}
        return lambda: Publisher(
            world,
            epoch=self.epoch,
            topics=self.topics,
            sequences=sequences,
            backlog=self.backlog,
            alerts=self.alerts,
            history=self.history,
            clock=self.surroundings.clock,
            wall=self.surroundings.wall,
        )

    def _tuner(self) -> Callable[[], Tuner]:
        rule = rules.thread_pool_rule(self.settings)
        return lambda: Tuner(rule, self.snapshots)

    def _components(self) -> list[Component]:
        """What holds memory besides the publisher's own. Sizes of leases are those of their records."""
        view = self.view.value
        leases = () if view is None else view.jobs
        files = self.held.files.values()
        return [
            Component(
                name="leases",
                allocated_bytes=sum(x.lease.record_bytes for x in leases),
                active_instances=len(leases),
            ),
            Component(name="page", allocated_bytes=sum(len(f.content) for f in files), active_instances=len(files)),
        ]

    # --- the edges ---

    def _listener(self, sockets: Sequence[socket.socket]) -> Listener:
        settings = self.settings
        access = rules.access(settings, sockets)
        feed = Feed(
            epoch=self.epoch,
            backlog=self.backlog,
            access=access,
            desk=Desk(
                admission=self.admission.ref,
                bytes_per_job=settings.admission.bytes_per_job,
                gpu_indexes=lambda: public.gpu_indexes(self.snapshots.value),
                clock=self.surroundings.clock,
                wall=self.surroundings.wall,
                threads=self.threads.limiter("claims"),
            ),
            sampler_interval_seconds=settings.sampler.interval,
            limits=Limits(
                max_clients=settings.feed.max_clients, max_clients_per_address=settings.feed.max_clients_per_address
            ),
        )
        exposition = Exposition(
            Sources(
                snapshot=lambda: self.snapshots.value,
                view=lambda: self.view.value,
                totals=lambda: self.totals.value,
                actors=self.actors,
                alerts=self.alerts.states,
                pauses=self.pauses.statistics,
                threads=self._limiters,
                components=lambda: self.components.value,
                others=lambda: [*self.cleanups.families(), *edges(feed.statistics(), listener.statistics())],
            )
        )
        app = build(self._services(), exposition, self.held.files, max_body_bytes=settings.http.max_body)
        guard = Guard(app, access)
        self.doors = [guard, feed]
        listener = Listener(sockets, guard, feed, root_path=settings.http.root_path, tls=self._tls)
        return listener

    def _tls(self) -> ssl.SSLContext | None:
        return None if self.certificate is None else self.certificate.context

    def _services(self) -> Services:
        return Services(
            admission=self.admission.ref,
            cleanup=self.cleanup.ref,
            gpu=self.gpu.ref,
            snapshots=self.snapshots,
            totals=self.totals,
            cleanup_state=self.cleanup_state,
            topics=self.topics,
            history=self.history,
            epoch=self.epoch,
            audit=self.audit.record,
            actors=self.actors,
            ready=self.ready,
            bytes_per_job=self.settings.admission.bytes_per_job,
            clock=self.surroundings.clock,
            wall=self.surroundings.wall,
        )


def addresses(sockets: Sequence[socket.socket], http: Http) -> list[str]:
    """Where clients find us, one per socket."""
    return [
        address_of(sock, http.scheme) + (http.root_path if sock.family != socket.AF_UNIX else "")
        for sock in sockets
    ]
