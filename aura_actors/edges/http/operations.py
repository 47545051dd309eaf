"""Every HTTP operation there is, in the order of the documentation: a new subject is one line here."""

from aura_actors.edges.http.access import access
from aura_actors.edges.http.admission import jobs
from aura_actors.edges.http.api import Operation
from aura_actors.edges.http.batch import batches
from aura_actors.edges.http.cleanup import cleanup
from aura_actors.edges.http.gpu import gpu
from aura_actors.edges.http.kinds import kinds
from aura_actors.edges.http.metrics import health, metrics
from aura_actors.edges.http.operate import operate
from aura_actors.edges.http.providers import slots

SUBJECTS = (metrics, jobs, kinds, batches, slots, operate, cleanup, gpu, access, health)
OPERATIONS: tuple[Operation, ...] = tuple(operation for subject in SUBJECTS for operation in subject.all)
