"""Bytes through each network interface. Refuses to know addresses, peers and what an interface is for."""

import psutil

from aura_actors.collectors.base import Options
from aura_actors.domain.snapshot import InterfaceUse, NetworkReading


class Network(Options, frozen=True):
    """Counters of every interface, loopback included."""

    def read(self) -> NetworkReading:
        """Bytes since the interface was created; no interface at all is a normal answer."""
        # nowrap would hide a re-created interface behind a sum that psutil keeps for the whole process.
        counters = psutil.net_io_counters(pernic=True, nowrap=False) or {}
        return NetworkReading(
            interfaces=tuple(
                InterfaceUse(name=name, sent_bytes_total=each.bytes_sent, received_bytes_total=each.bytes_recv)
                for name, each in sorted(counters.items())
            )
        )
