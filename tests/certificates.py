"""Certificates for loopback, made when they are asked for. Each vouches for itself, and is trusted alone."""

import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

from aura_actors.config import Http, Settings
from aura_actors.config.certificate import read_certificate

LOOPBACK = "DNS:localhost,IP:127.0.0.1"


class Pair(NamedTuple):
    """A certificate and its key, each in a file."""

    cert: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """The server's, as the daemon makes it."""
        read = read_certificate(Settings(http=Http(tls_cert=self.cert, tls_key=self.key)))
        assert read is not None
        return read.context

    def trust(self) -> ssl.SSLContext:
        """That of a client who trusts this certificate and no other."""
        return ssl.create_default_context(cafile=self.cert)

    def put(self, other: "Pair") -> None:
        """Another certificate in the same files."""
        self.cert.write_bytes(other.cert.read_bytes())
        self.key.write_bytes(other.key.read_bytes())


class Issuer:
    """`issue()` makes a pair of files; `algorithm` is in OpenSSL's words, `names` are whom it is for."""

    def __init__(self, openssl: str, folder: Path) -> None:
        self._openssl = openssl
        self._folder = folder
        self._made = 0

    def __call__(self, *algorithm: str, names: str = LOOPBACK) -> Pair:
        self._made += 1
        pair = Pair(self._folder / f"{self._made}.pem", self._folder / f"{self._made}.key")
        curve = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
        what = [
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN=test {self._made}",
            "-newkey",
            *(algorithm or curve),
        ]
        usage = ["-addext", f"subjectAltName={names}", "-addext", "keyUsage=critical,digitalSignature,keyCertSign"]
        self.run("req", *what, *usage, "-keyout", str(pair.key), "-out", str(pair.cert))
        return pair

    def run(self, *arguments: str) -> None:
        """Some other command of OpenSSL."""
        subprocess.run([self._openssl, *arguments], check=True, capture_output=True, timeout=30)
