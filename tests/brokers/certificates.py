"""Certificates for the tests of TLS, made when they are needed."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

EXTENSIONS = """
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
subjectAltName = DNS:localhost, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[client]
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of an authority's certificate, and of a server's and a client's signed by it, with keys."""

    authority: str
    server: str
    server_key: str
    client: str
    client_key: str

    def context(self, *, wants_client: bool = False) -> ssl.SSLContext:
        """Return what a server needs to speak TLS, and to ask for the client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority)
        return context


def make_certificates(directory: Path) -> Certificates:
    """Make them by the openssl command; skip the test where there is none."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("the openssl command is not installed")
    extensions = directory / "extensions.cnf"
    extensions.write_text(EXTENSIONS, encoding="utf-8")

    def run(*arguments: str) -> None:
        subprocess.run([openssl, *arguments], check=True, capture_output=True, cwd=directory)

    for name in ("authority", "server", "client"):
        run(
            *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}"),
        )
        signer = ["-signkey", "authority.key"]
        if name != "authority":
            signer = ["-CA", "authority.crt", "-CAkey", "authority.key", "-CAcreateserial"]
        run(
            *("x509", "-req", "-in", f"{name}.csr", "-days", "2", "-out", f"{name}.crt", *signer),
            *("-extfile", "extensions.cnf", "-extensions", name),
        )
    files = ("authority.crt", "server.crt", "server.key", "client.crt", "client.key")
    return Certificates(*(str(directory / file) for file in files))
