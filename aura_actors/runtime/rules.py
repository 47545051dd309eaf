"""From settings to what each part takes: the same numbers, in the words of the rule that uses them.

Owns these translations only; the values and their defaults are in `config/`, the rules in their own rings.
"""

import math
import socket
from collections.abc import Mapping, Sequence

from aura_actors.actors.admission import AdmissionRule, Seen
from aura_actors.config import Settings
from aura_actors.domain.accounts import Allowance
from aura_actors.domain.alerts import Threshold
from aura_actors.domain.asked import TtlRule
from aura_actors.domain.busy_gate import BusyGate
from aura_actors.domain.devices import GpuRule
from aura_actors.domain.freshness import Freshness
from aura_actors.domain.learning import History as PastRuns
from aura_actors.domain.learning import Learning
from aura_actors.domain.ledger import LedgerRule
from aura_actors.domain.providers import ProviderLimits, Providers
from aura_actors.domain.room import shape
from aura_actors.domain.runs import Runs
from aura_actors.domain.slots import SlotRule
from aura_actors.domain.thread_pool import ThreadPoolRule
from aura_actors.domain.waiting import Queue, QueueRule
from aura_actors.edges.access import Access
from aura_actors.edges.tokens import Credential
from aura_actors.kernel.permits import Permits
from aura_actors.messages.history import History


def admission_rule(settings: Settings) -> AdmissionRule:
    """The settings of admission as its rules take them."""
    options = settings.admission
    return AdmissionRule(
        ledger=LedgerRule(
            memory=Allowance(
                reserved_bytes=options.reserved_for_ui, threshold_percent=options.memory_threshold_percent
            ),
            memory_limit_bytes=options.memory_limit,
            slots=SlotRule(
                fixed=None if options.job_slots == "auto" else options.job_slots,
                bytes_per_job=options.bytes_per_job,
                max_jobs=options.max_jobs,
            ),
            gpu=GpuRule(
                busy_percent=options.gpu_threshold_percent, memory_percent=options.gpu_memory_threshold_percent
            ),
            scratch=Allowance(threshold_percent=options.scratch_threshold_percent),
            units={name: unit.count for name, unit in options.units.by_name.items()},
            freshness=Freshness(interval_seconds=settings.sampler.interval),
        ),
        ttl=TtlRule(default_seconds=options.lease_ttl, most_seconds=options.max_lease_ttl),
        queue=queue_rule(settings),
        scratch_path=str(options.scratch_path or settings.data_dir),
    )


def queue_rule(settings: Settings) -> QueueRule:
    """The settings of the queue as its rules take them."""
    return QueueRule(limit=settings.admission.queue_limit)


def seen(settings: Settings, histories: Mapping[str, PastRuns]) -> Seen:
    """What admission keeps over its crashes, as it is at the start."""
    return Seen(
        runs=Runs(Learning(histories)),
        gate=BusyGate(settings.admission.cpu_threshold_percent),
        providers=Providers(settings.providers.by_name, lambda name: provider_limits(settings, name), Permits),
        queue=Queue(queue_rule(settings), shape=shape),
    )


def retune(seen: Seen, settings: Settings) -> None:
    """The same of settings that have changed: what is held stays held, and who waits goes on waiting."""
    seen.gate.threshold_percent = settings.admission.cpu_threshold_percent
    seen.queue.resize(settings.admission.queue_limit)
    seen.providers.change(settings.providers.by_name, lambda name: provider_limits(settings, name))


def provider_limits(settings: Settings, name: str) -> ProviderLimits:
    """What one provider allows, configured or not."""
    table = settings.providers.find(name)
    return ProviderLimits(
        max_concurrent=settings.providers.max_concurrent(name),
        requests_per_minute=table.requests_per_minute,
        tokens_per_minute=table.tokens_per_minute,
        adaptive=table.adaptive,
    )


def history_of(settings: Settings) -> History:
    """Rings for the topics about the machine; bounded also where a program samples more often on demand."""
    options = settings.sampler
    return History(
        ("system", "process", "utilization"),
        seconds=options.history,
        entries=2 * math.ceil(options.history / options.interval),
    )


def thresholds(settings: Settings) -> tuple[Threshold, ...]:
    """The guide's alert thresholds."""
    return (
        Threshold(name="cpu", above=settings.alerts.cpu_percent, unit="%"),
        Threshold(name="memory", above=settings.alerts.memory_percent, unit="%"),
        Threshold(name="gpu", above=settings.alerts.gpu_celsius, unit="°C"),
    )


def thread_pool_rule(settings: Settings) -> ThreadPoolRule:
    """The settings of the default thread pool as the tuner takes them."""
    options = settings.threads
    return ThreadPoolRule(
        calm_per_core=options.per_core,
        busy_per_core=options.per_core_busy,
        busy_percent=options.busy_percent,
    )


def access(settings: Settings, sockets: Sequence[socket.socket]) -> Access:
    """Who may come in, by which names, on these bound sockets."""
    token = settings.http.token
    tcp = [sock.getsockname()[0] for sock in sockets if sock.family != socket.AF_UNIX]
    return Access(
        bound_hosts=tuple(dict.fromkeys([*([settings.http.host] if tcp else []), *tcp])),
        allowed_hosts=settings.http.allowed_hosts,
        allowed_origins=settings.http.allowed_origins,
        token=None if token is None else token.reveal(),
        credentials=tuple(
            Credential(name=each.name, token=each.token.reveal(), scopes=frozenset(each.scopes))
            for each in settings.http.tokens
            if each.token is not None
        ),
        trusted_proxies=settings.http.trusted_proxies,
        root_path=settings.http.root_path,
        machine_name=socket.gethostname(),
    )
