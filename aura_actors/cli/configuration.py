"""`aura-actors config show | check`: what would be used, and whether a file is good. Starts nothing."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aura_actors.config import check_exposure, load, to_toml


def show(config: Annotated[Path | None, Parameter(help="TOML file with the configuration.")] = None) -> None:
    """Print every setting with its value and where it comes from; the text is a configuration file."""
    print(to_toml(load(config, os.environ, {})), end="")


def check(file: Annotated[Path, Parameter(help="TOML file to check.")], /) -> None:
    """Say whether `serve --config FILE` would accept this file, in this environment."""
    check_exposure(load(file, os.environ, {}))
    print(f"{file}: ok")
