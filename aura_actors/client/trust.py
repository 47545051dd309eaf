"""Whose certificates are believed, and what is said where TLS did not come about.

Trust is the system's, or that of `SSL_CERT_FILE` and `SSL_CERT_DIR`. Owns the words for people. Connects nothing.
"""

import functools
import ssl
from typing import Final

_UNKNOWN_ISSUER: Final = (18, 19, 20, 21)
"""OpenSSL's numbers for certificates that nobody vouches for who is known here."""


@functools.cache
def trusted(secure: bool) -> ssl.SSLContext:
    """Made once: loading the certificate store takes 0.1 s, and without TLS nothing is loaded."""
    if not secure:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    from httpx2 import create_ssl_context  # a command that speaks no TLS does without all of it

    return create_ssl_context()


def tls_fault(error: BaseException) -> str | None:
    """Why TLS did not come about, if that is what the error of a connection comes from."""
    below: BaseException | None = error
    while below is not None and not isinstance(below, ssl.SSLError):
        below = below.__cause__ or below.__context__
    if below is None:
        return None
    if isinstance(below, ssl.SSLCertVerificationError):
        why = below.verify_message.rstrip(".")
        if below.verify_code in _UNKNOWN_ISSUER:
            return f"its certificate is not trusted ({why}); SSL_CERT_FILE can name a file of those that are"
        return f"its certificate is not accepted: {why}"
    reason = (below.reason or str(below)).lower().replace("_", " ")
    return f"it does not speak TLS as we do ({reason})"


def reason_of(error: Exception) -> str:
    """Why there is no connection, for people."""
    return tls_fault(error) or str(error) or type(error).__name__
