"""`aura-actors config show | check`: what would be used, and whether a file is good. Starts nothing."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aura_actors.config import check_exposure, load, to_toml
from aura_actors.config.certificate import read_certificate


def show(config: Annotated[Path | None, Parameter(help="TOML file with the configuration.")] = None) -> None:
    """Print every setting with its value and where it comes from; the text is a configuration file."""
    print(to_toml(load(config, os.environ, {})), end="")


def check(file: Annotated[Path, Parameter(help="TOML file to check.")], /) -> None:
    """Say whether `serve --config FILE` would accept this file, in this environment."""
    settings = load(file, os.environ, {})
    check_exposure(settings)
    read_certificate(settings)
    print(f"{file}: ok")
