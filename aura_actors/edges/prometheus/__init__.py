"""The Prometheus exposition: one file per subject, `exposition.py` puts them together and negotiates the format."""

from aura_actors.edges.prometheus.cleanup import CleanupTally
from aura_actors.edges.prometheus.edges import edges
from aura_actors.edges.prometheus.exposition import Exposition, Sources

__all__ = ["CleanupTally", "Exposition", "Sources", "edges"]
