"""What the sampler is told and asked. Owns no behaviour; the Snapshot is the domain's."""

import msgspec

from aura_actors.domain.snapshot import Snapshot
from aura_actors.kernel.request import Request


class Tick(msgspec.Struct, frozen=True, tag=True):
    """Take a sample; it is published, nobody waits for it."""


class CollectNow(Request[Snapshot], frozen=True, tag=True):
    """Take a sample now and answer it; it is published as well."""


class LookAgain(msgspec.Struct, frozen=True, tag=True):
    """Somebody gives memory back, and somebody else waits for it: sample in a moment, and once more after it."""


SamplerMessage = Tick | CollectNow | LookAgain
