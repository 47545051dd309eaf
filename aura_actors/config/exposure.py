"""The rule that nothing is served beyond this machine without a token. Knows addresses; opens none."""

import ipaddress

from aura_actors.config.sections import Settings
from aura_actors.errors import UsageError


def check_exposure(settings: Settings) -> None:
    """Raises UsageError where others could reach the daemon and no token is set."""
    http = settings.http
    if http.secrets or is_loopback(http.host):
        return
    raise UsageError(
        f"refusing to serve on {http.host} without a token, because others could use this machine: "
        "set AURA_HTTP__TOKEN, or token or token_file in [http], or [[http.tokens]], or keep --host 127.0.0.1"
    )


def is_loopback(host: str) -> bool:
    """True for an address, or the name, that only this machine can reach. Other names are not looked up."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
