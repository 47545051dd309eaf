"""Telling systemd how we are: READY, STOPPING, and a sign of life from the loop itself.

Owns the protocol's one datagram (sd_notify(3)). Where no service manager asked to be told, nothing happens.
"""

import os
import socket
from collections.abc import Mapping

import trio


async def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send one state such as `READY=1`. False where nobody asked, or the socket does not take it."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with trio.socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            await channel.connect(address)
            await channel.send(state.encode())
        except OSError:
            return False
    return True


async def keep_alive(environ: Mapping[str, str] = os.environ) -> None:
    """Send `WATCHDOG=1` twice in the time that systemd allows while the loop turns; return where none is set."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or not int(microseconds):
        return
    while True:
        await notify("WATCHDOG=1", environ)  # one that is lost is no reason to be silent: the next may arrive
        await trio.sleep(int(microseconds) / 2e6)
