"""What every collector is: a frozen Struct of options with a name and a blocking `read`.

Owns the contract and the list of errors that mean "this source cannot be read now". Refuses to know when, where
and how often a collector is read: it is called from a worker thread and returns raw counters, never rates.
"""

from typing import Protocol

import msgspec
import psutil

from aura_actors.domain.snapshot import Reading

READ_ERRORS: tuple[type[Exception], ...] = (
    OSError,
    psutil.Error,
    RuntimeError,  # psutil: "not supported here" (NotImplementedError); threads: none can be started
    ValueError,  # psutil: a line of /proc that it cannot parse
    LookupError,  # psutil: a line of /proc that is missing
)
"""Failures of the source. Anything else that `read` raises is a defect of the collector."""


class Collector(Protocol):
    """One source of readings."""

    @property
    def name(self) -> str:
        """Short, lower case, unique among the collectors of a sampler."""
        ...

    @property
    def may_hang(self) -> bool:
        """True if asking may block for ever, as a file system whose server is gone does: it is read last."""
        ...

    def read(self) -> Reading:
        """Ask the source now. Blocks for as long as the source does; raises one of `READ_ERRORS`."""
        ...


class Options(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag=str.lower
):
    """Base of the collectors of this package: the fields are its configuration, the tag is its name."""

    @property
    def name(self) -> str:
        """The tag, `cpu` for `Cpu`."""
        return str(self.__struct_config__.tag)

    @property
    def may_hang(self) -> bool:
        """Reading what the kernel keeps in memory does not."""
        return False
