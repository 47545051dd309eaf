"""The live feed over WebSocket (`/feed`).

hub        who is connected, and every publication to those who hold its topic; `Feed` is what others need
session    one client: its tasks and what it asked for; held: its subscriptions and what waits to be sent (pure)
leasing    what one client holds of admission; places: what it waits for; desk: frames as messages and back
inbox      what a client has sent, read ahead so far and in groups
handshake  the upgrade request; protocol: the messages (both pure but for one write)
stream     where the library's frames and ours meet, each whole; inbound: the limit on what a client sends (pure)
frames     publications as frames, framed once for everybody (pure); shared: what all sessions have in common
"""

from aura_actors.edges.feed.desk import Desk
from aura_actors.edges.feed.hub import Feed, FeedStatistics
from aura_actors.edges.feed.shared import Deadlines, Limits

__all__ = ["Deadlines", "Desk", "Feed", "FeedStatistics", "Limits"]
