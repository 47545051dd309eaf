"""The version, in one place; the wheel, `--version` and `aura_build_info` read it here."""

__version__ = "0.1.0"
