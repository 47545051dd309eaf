"""Admission: the actor, those who wait for it, and the processes that leases are bound to."""

from aura_actors.actors.admission.actor import Admission as Admission
from aura_actors.actors.admission.given import AdmissionRule as AdmissionRule
from aura_actors.actors.admission.given import Environment as Environment
from aura_actors.actors.admission.given import Seen as Seen
