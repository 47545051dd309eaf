"""Every HTTP operation there is, in the order of the documentation: a new subject is one line here."""

from aura_actors.edges.http.admission import jobs, slots
from aura_actors.edges.http.api import Operation
from aura_actors.edges.http.cleanup import cleanup
from aura_actors.edges.http.gpu import gpu
from aura_actors.edges.http.metrics import health, metrics

OPERATIONS: tuple[Operation, ...] = tuple(
    operation for subject in (metrics, jobs, slots, cleanup, gpu, health) for operation in subject.all
)
