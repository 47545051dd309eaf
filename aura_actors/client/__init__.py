"""The client SDK: reservations, provider slots and live values of a daemon, for programs on Trio and on asyncio.

    async with aura_actors.connect("http://127.0.0.1:8080") as aura:
        async with aura.reserve("video-123", memory="2GiB", wait="10m") as lease:
            ...

Knows the public JSON (`wire`) and the errors, and nothing of the server, so that a program never loads it.
"""

from aura_actors.client.aura import Aura as Aura
from aura_actors.client.aura import connect as connect
from aura_actors.client.held import Lease as Lease
from aura_actors.client.held import Slot as Slot
from aura_actors.client.session import Session as Session
from aura_actors.client.subscription import Frames as Frames
from aura_actors.wire.arguments import Needs as Needs
