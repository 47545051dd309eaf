"""Bytes through each network interface. Refuses to know addresses, peers and what an interface is for."""

import psutil

from aura_actors.collectors.base import Options
from aura_actors.collectors.files import proc_text
from aura_actors.collectors.tables import interface_bytes
from aura_actors.domain.snapshot import InterfaceUse, NetworkReading


class Network(Options, frozen=True):
    """Counters of every interface, loopback included."""

    def read(self) -> NetworkReading:
        """Bytes since the interface was created; no interface at all is a normal answer."""
        found = interface_bytes(proc_text("net/dev"))
        return NetworkReading(
            interfaces=tuple(
                InterfaceUse(name=name, sent_bytes_total=sent, received_bytes_total=received)
                for name, sent, received in (_by_psutil() if found is None else found)
            )
        )


def _by_psutil() -> list[tuple[str, int, int]]:
    # nowrap would hide a re-created interface behind a sum that psutil keeps for the whole process.
    counters = psutil.net_io_counters(pernic=True, nowrap=False) or {}
    return sorted((name, each.bytes_sent, each.bytes_recv) for name, each in counters.items())
