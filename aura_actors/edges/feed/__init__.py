"""The live feed over WebSocket (`/feed`).

hub        who may connect, and the beginning and end of a connection; `Feed` is what others need
relay      every publication to those who hold its topic; every client looked at when its time has come
session    one client: what it asked for, and the one way out; held: what waits to be sent to it (pure)
pulse      when a client is sent a heartbeat or a ping, and counts as gone (pure); agenda: one timer for all
leasing    what one client holds of admission; places: what it waits for; desk: frames as messages and back
inbox      what a client has sent, read ahead so far and in groups
handshake  the upgrade request; protocol: the messages (both pure); schema: all of them, described
stream     where the library's frames and ours meet, each whole; inbound: the limit on what a client sends (pure)
frames     publications as frames, framed once for everybody (pure); shared: what all sessions have in common
"""

from aura_actors.edges.feed.desk import Desk
from aura_actors.edges.feed.hub import Feed, FeedStatistics
from aura_actors.edges.feed.shared import Deadlines, Limits

__all__ = ["Deadlines", "Desk", "Feed", "FeedStatistics", "Limits"]
