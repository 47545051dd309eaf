"""The certificate that `[http] tls_cert` and `tls_key` name: from two files to what connections are encrypted with.

Owns which files are refused, in which words, and which versions of TLS are spoken. Blocks: it reads both files.
Serves nothing.
"""

import hashlib
import ssl
from pathlib import Path
from typing import Final

import msgspec

from aura_actors.config.found import named
from aura_actors.config.readers import quoted
from aura_actors.config.sections import Settings
from aura_actors.errors import InvalidValue

CERT: Final = "http.tls_cert"
KEY: Final = "http.tls_key"


class Certificate(msgspec.Struct, frozen=True, eq=False):
    """One certificate with its key, ready to be shown."""

    context: ssl.SSLContext
    digest: bytes
    """Of both files: another one is another certificate."""


def read_certificate(settings: Settings) -> Certificate | None:
    """What the settings name; None where they name nothing. Raises InvalidValue with one sentence and its path."""
    try:
        return _read(settings.http.tls_cert, settings.http.tls_key)
    except InvalidValue as error:
        sources = [settings.sources[path] for path in (error.path, CERT, KEY) if path in settings.sources]
        raise (named(error, sources[0]) if sources else error) from None


def _read(cert: Path | None, key: Path | None) -> Certificate | None:
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        missing, given = (CERT, KEY) if cert is None else (KEY, CERT)
        raise InvalidValue(f"is missing, because {given} is set, and TLS takes both", path=missing)
    digest = hashlib.sha256(_content(cert, CERT) + _content(key, KEY)).digest()
    return Certificate(_context(cert, key), digest)


def _content(file: Path, path: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidValue(f"cannot read {quoted(str(file))}: {error.strerror or error}", path=path) from None


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    if not _is_certificate(cert):
        raise InvalidValue(f"{quoted(str(cert))} is not a certificate in PEM form", path=CERT)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    passwords_asked: list[str] = []

    def no_password() -> str:
        """OpenSSL would ask on the terminal."""
        passwords_asked.append("")
        return passwords_asked[-1]

    try:
        context.load_cert_chain(cert, key, no_password)
    except (OSError, ValueError) as error:  # of OpenSSL
        raise _refusal(error, cert, key, is_encrypted=bool(passwords_asked)) from None
    return context


def _is_certificate(file: Path) -> bool:
    store = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        store.load_verify_locations(file)
    except OSError:
        return False
    return store.cert_store_stats()["x509"] > 0


def _refusal(error: Exception, cert: Path, key: Path, *, is_encrypted: bool) -> InvalidValue:
    if is_encrypted:
        text = f"{quoted(str(key))} is encrypted, and nobody is there to type its password; keep it without one"
        return InvalidValue(text, path=KEY)
    reason = getattr(error, "reason", None) or ""
    if reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return InvalidValue(f"{quoted(str(key))} is not the key of the certificate in tls_cert", path=KEY)
    if reason.endswith(("_TOO_SMALL", "_TOO_WEAK")):
        why = reason.lower().replace("_", " ")
        return InvalidValue(f"OpenSSL refuses the certificate in {quoted(str(cert))}: {why}", path=CERT)
    return InvalidValue(f"{quoted(str(key))} is not a private key in PEM form", path=KEY)
