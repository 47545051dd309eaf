"""`aura-actors --install-completion`: Cyclopts' own command, of which all others are spared the loading."""

from cyclopts.completion.install import create_install_completion_command

from aura_actors.cli.app import build

install_completion = create_install_completion_command(build().install_completion, add_to_startup=True)
"""Write a shell's completion and have the shell read it."""
