"""How inner facts are said in the public JSON: domain and kernel data in, `wire` Structs out.

Owns every translation, one file per subject, so that a name inside can change without a client noticing. Pure: the
present moment is an argument where a duration becomes a date.
"""

from aura_actors.messages.public.actors import alert, alerts_now, tree
from aura_actors.messages.public.admission import (
    Indexes,
    active_job,
    gpu_indexes,
    jobs,
    kinds,
    lease,
    preflight,
    queue,
    queued_job,
    reason,
    slot,
    ticket,
)
from aura_actors.messages.public.books import admission_state, providers
from aura_actors.messages.public.forms import Moment, utc
from aura_actors.messages.public.gpu import gpu_probe
from aura_actors.messages.public.machine import history, memory_percent, system, utilization
from aura_actors.messages.public.process import HISTORY, PUBLISHED, process

__all__ = [
    "HISTORY",
    "PUBLISHED",
    "Indexes",
    "Moment",
    "active_job",
    "admission_state",
    "alert",
    "alerts_now",
    "gpu_indexes",
    "gpu_probe",
    "history",
    "jobs",
    "kinds",
    "lease",
    "memory_percent",
    "preflight",
    "process",
    "providers",
    "queue",
    "queued_job",
    "reason",
    "slot",
    "system",
    "ticket",
    "tree",
    "utc",
    "utilization",
]
