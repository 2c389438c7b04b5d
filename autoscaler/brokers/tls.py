"""How a broker proves who it is, as its URL says it: verified unless the URL says otherwise."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from autoscaler.ports import BrokerUnknown

CERT_REQS = MappingProxyType(
    {
        "required": "required",
        "optional": "optional",
        "none": "none",
        "CERT_REQUIRED": "required",
        "CERT_OPTIONAL": "optional",
        "CERT_NONE": "none",
    }
)
TLS_PARAMETERS = frozenset(
    {"ssl_cert_reqs", "ssl_check_hostname", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
)
_MODES = MappingProxyType(
    {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server proves who it is, and the client with it: `verify` is required, optional or none.

    Without `ca_certs` the system's authorities are trusted. The three files are paths.
    """

    verify: str = "required"
    check_hostname: bool = True
    ca_certs: str | None = None
    certfile: str | None = None
    keyfile: str | None = None

    def options(self) -> dict[str, object]:
        """Return the options as redis-py and kombu's Redis transport take them."""
        return {
            "ssl_cert_reqs": self.verify,
            "ssl_check_hostname": self.check_hostname,
            "ssl_ca_certs": self.ca_certs,
            "ssl_certfile": self.certfile,
            "ssl_keyfile": self.keyfile,
        }

    def amqp_options(self, host: str) -> dict[str, object]:
        """Return the options as py-amqp and kombu's AMQP transport take them, for a server's name."""
        checked = self.checks_hostname
        files = {"ca_certs": self.ca_certs, "certfile": self.certfile, "keyfile": self.keyfile}
        return {
            "cert_reqs": _MODES[self.verify],
            "server_hostname": host if checked else None,
            **{name: path for name, path in files.items() if path is not None},
        }

    def context(self) -> ssl.SSLContext:
        """Return what a client speaks TLS with. Raises OSError when a file cannot be read."""
        context = ssl.create_default_context(cafile=self.ca_certs)
        context.check_hostname = self.checks_hostname
        context.verify_mode = _MODES[self.verify]
        if self.certfile is not None:
            context.load_cert_chain(self.certfile, self.keyfile)
        return context

    @property
    def checks_hostname(self) -> bool:
        """Whether the certificate has to be for the host: without verification there is none to check."""
        return self.check_hostname and self.verify != "none"


def tls_of(query: Mapping[str, str]) -> Tls:
    """Return what the parameters of a URL say. Raises `BrokerUnknown` for one that nobody understands."""
    verify = CERT_REQS.get(query.get("ssl_cert_reqs", "required"))
    if verify is None:
        raise BrokerUnknown("ssl_cert_reqs in the broker's URL is none of required, optional and none")
    return Tls(
        verify=verify,
        check_hostname=query.get("ssl_check_hostname", "true").lower() != "false",
        ca_certs=query.get("ssl_ca_certs"),
        certfile=query.get("ssl_certfile"),
        keyfile=query.get("ssl_keyfile"),
    )
