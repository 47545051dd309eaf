"""From the paths that jobs hold to pins: as they are written, and with links resolved. Blocks."""

import os
from collections.abc import Iterable, Sequence

from aura_actors.domain.pins import Pins


def pins_of(paths: Iterable[str]) -> Pins:
    """Either form may be how a file is come by. The paths are absolute; what is there does not matter."""
    return Pins([form for path in paths for form in (os.path.normpath(path), os.path.realpath(path))])


def lying_in(paths: Iterable[str], folders: Sequence[str]) -> tuple[str, ...]:
    """Those of the paths that are below one of the folders: a pin elsewhere would cost every look something."""
    roots = [f"{os.path.realpath(folder)}/" for folder in folders]
    return tuple(path for path in paths if any(os.path.realpath(path).startswith(root) for root in roots))
