"""From the paths that jobs hold to pins: as they are written, and with links resolved. Blocks."""

import os
from collections.abc import Iterable

from aura_actors.domain.pins import Pins


def pins_of(paths: Iterable[str]) -> Pins:
    """Either form may be how a file is come by. The paths are absolute; what is there does not matter."""
    return Pins([form for path in paths for form in (os.path.normpath(path), os.path.realpath(path))])
