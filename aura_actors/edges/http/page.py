"""The static page: every file read once, at start, and served from memory.

Owns the headers that keep the page to itself: nothing from elsewhere, nothing inline, no markup made of strings
(trusted types), no framing, no sniffing. Nothing is looked up on disk for a request, so no path can lead anywhere
else.
"""

import hashlib
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

HTML: Final = "text/html; charset=utf-8"
TYPES: Final = {
    "html": HTML,
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
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
    for path, entry in _below(web / "static", "static"):
        files[path] = _file(entry.name, entry.read_bytes())
    return files


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        inner = f"{path}/{entry.name}"
        if entry.is_dir():
            yield from _below(entry, inner)
        else:
            yield inner, entry


def _file(name: str, content: bytes) -> StaticFile:
    digest = hashlib.sha256(content).hexdigest()[:20]
    return StaticFile(content=content, content_type=TYPES[name.rpartition(".")[2]], etag=f'"{digest}"')
