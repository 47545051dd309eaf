"""Every source of readings.

The union is the registry, the configuration's schema and the matrix of the family tests at once: a new source is
one file beside this one and one name here.
"""

from aura_actors.collectors.cgroup import Cgroup
from aura_actors.collectors.cpu import Cpu
from aura_actors.collectors.disk import Disk
from aura_actors.collectors.memory import Memory
from aura_actors.collectors.network import Network
from aura_actors.collectors.pressure import Pressure
from aura_actors.collectors.process import Process

AnyCollector = Cpu | Memory | Cgroup | Disk | Network | Pressure | Process

DEFAULT_COLLECTORS: tuple[AnyCollector, ...] = (
    Cpu(),
    Memory(),
    Cgroup(),
    Process(),
    Network(),
    Pressure(),
    Disk(),
)
"""Everything, with default options; the quick ones and those that belong together come first."""
