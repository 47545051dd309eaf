"""What the GPU actor is told and asked. Owns no behaviour; the state is the domain's."""

import msgspec

from aura_actors.domain.gpu import GpuState
from aura_actors.kernel.request import Request


class Look(msgspec.Struct, frozen=True, tag=True):
    """It is time to look at the devices again."""


class Release(Request[GpuState], frozen=True, tag=True, kw_only=True):
    """Let go of the drivers, so that they can be unloaded, reset or set to MIG; answered once they are.

    For `seconds`, or until `Resume`. Answered with `Unavailable` where the probe hangs and cannot be ended.
    """

    seconds: float | None = None


class Resume(Request[GpuState], frozen=True, tag=True):
    """Look again now, released or not; answered with what was seen."""


GpuMessage = Look | Release | Resume
