"""The static page: every file read once, at start, and served from memory.

Owns the headers that keep the page to itself (strict CSP, no framing, no sniffing). Nothing is looked up on disk
for a request, so no path can lead anywhere else.
"""

import hashlib
from importlib import resources
from typing import Final

import msgspec

HTML: Final = "text/html; charset=utf-8"
TYPES: Final = {
    "html": HTML,
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
}
POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class StaticFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it is sent."""

    content: bytes
    content_type: str
    etag: str


def load() -> dict[str, StaticFile]:
    """Every file of the page by its path below the root; `""` is the page itself. Reads the disk."""
    web = resources.files("aura_actors.edges") / "web"
    files = {"": _file("index.html", (web / "index.html").read_bytes())}
    for entry in (web / "static").iterdir():
        files[f"static/{entry.name}"] = _file(entry.name, entry.read_bytes())
    return files


def _file(name: str, content: bytes) -> StaticFile:
    digest = hashlib.sha256(content).hexdigest()[:20]
    return StaticFile(content=content, content_type=TYPES[name.rpartition(".")[2]], etag=f'"{digest}"')
