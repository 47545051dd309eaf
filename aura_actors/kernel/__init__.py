"""The actor kernel: what supervises, carries messages and says what is alive. Knows Trio, knows no resource.

child_spec   what to run and how it is restarted, as data
restart      when a restart is allowed, and after how long (pure)
lifecycle    the states of a child, as a table
supervisor   starts children in order, restarts what its strategy says, stops them in reverse; reports: what it says
strategy     who goes with a child that ended (pure); child: one child and its incarnations
actor        what an author writes; cell runs it; ref is what others hold
mailbox      bounded pair of memory channels, control ahead of data
request      a message that carries the type of its reply; envelope carries the reply's slot
monitor      who is told when an actor ends
latest       one value, the newest; bus: facts to bounded subscriptions
watchdog     names the actor that holds the loop too long
pauses       how long garbage collection stopped everything
threads      private thread limiters, by name; permits: counted slots over trio.CapacityLimiter

What authors of actors need is here under one roof; the rest is in the files.
"""

from aura_actors.kernel.actor import Actor, Context
from aura_actors.kernel.bus import Bus, Overflowed, Subscription
from aura_actors.kernel.cell import Cell, DeadLetter
from aura_actors.kernel.child_spec import ChildSpec, Restart, Service
from aura_actors.kernel.latest import Latest
from aura_actors.kernel.mailbox import Overflow, Verdict
from aura_actors.kernel.monitor import Down
from aura_actors.kernel.ref import Ref
from aura_actors.kernel.reports import CrashReport, GaveUp, StartFailed
from aura_actors.kernel.request import Request
from aura_actors.kernel.restart import Backoff, RestartIntensity
from aura_actors.kernel.strategy import Strategy
from aura_actors.kernel.supervisor import Supervisor

__all__ = [
    "Actor",
    "Backoff",
    "Bus",
    "Cell",
    "ChildSpec",
    "Context",
    "CrashReport",
    "DeadLetter",
    "Down",
    "GaveUp",
    "Latest",
    "Overflow",
    "Overflowed",
    "Ref",
    "Request",
    "Restart",
    "RestartIntensity",
    "Service",
    "StartFailed",
    "Strategy",
    "Subscription",
    "Supervisor",
    "Verdict",
]
