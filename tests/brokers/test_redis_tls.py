"""Readers over TLS. The server's end is a proxy, for not every redis-server is built with TLS."""

from __future__ import annotations

import pytest

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.model import BrokerSettings
from autoscaler.core.model import Quality, QueueDepth, Reading, TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.certificates import Certificates, make_certificates
from tests.brokers.servers import Proxy, RedisServer

pytestmark = pytest.mark.servers

QUERY = DepthQuery(TargetRef("ns", "a"), ("default",), BrokerSettings(timeout_seconds=10.0))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates made for this run."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


def reading_of(url: str) -> Reading[QueueDepth]:
    """Return what one read of a URL gives."""
    reader = RedisReader(redis_address(url))
    try:
        return reader.read([QUERY])[0]
    finally:
        reader.close()


def test_a_certificate_is_verified_against_the_authority_of_the_url(
    server: RedisServer, certificates: Certificates
) -> None:
    """By address and by name, with the password going through."""
    server.admin.config_set("requirepass", "pw")
    with Proxy(server.port, certificates.context()) as proxy:
        for host in ("127.0.0.1", "localhost"):
            url = f"rediss://:pw@{host}:{proxy.port}/0?ssl_ca_certs={certificates.authority}"
            assert reading_of(url).quality is Quality.FRESH


def test_a_certificate_of_an_unknown_authority_is_refused(
    server: RedisServer, certificates: Certificates
) -> None:
    """Verification is on unless the URL turns it off, also where kombu would be content without."""
    with Proxy(server.port, certificates.context()) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}/0"
        refused = reading_of(url)
        assert refused.quality is Quality.UNKNOWN
        assert refused.detail.startswith("shows a certificate that is not trusted (")
        assert reading_of(f"{url}?ssl_cert_reqs=none").quality is Quality.FRESH
        assert reading_of(f"{url}?ssl_cert_reqs=CERT_NONE").quality is Quality.FRESH
        assert reading_of(f"{url}?ssl_check_hostname=false").quality is Quality.UNKNOWN


def test_a_certificate_for_another_name_is_refused(server: RedisServer, certificates: Certificates) -> None:
    """Unless the URL says not to look at the name."""
    with Proxy(server.port, certificates.context(), host="127.0.0.2") as proxy:
        url = f"rediss://127.0.0.2:{proxy.port}/0?ssl_ca_certs={certificates.authority}"
        assert reading_of(url).detail.startswith(
            "shows a certificate that is not trusted (IP address mismatch"
        )
        assert reading_of(f"{url}&ssl_check_hostname=false").quality is Quality.FRESH


def test_a_certificate_of_our_own_is_shown(server: RedisServer, certificates: Certificates) -> None:
    """To a server that asks for one, which refuses us without."""
    with Proxy(server.port, certificates.context(wants_client=True)) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}/0?ssl_ca_certs={certificates.authority}"
        ours = f"&ssl_certfile={certificates.client}&ssl_keyfile={certificates.client_key}"
        assert reading_of(url + ours).quality is Quality.FRESH
        assert reading_of(url).quality is Quality.UNKNOWN
        assert reading_of(f"{url}&ssl_certfile=/nowhere").detail == (
            "has a socket or certificate file that cannot be opened"
        )


def test_a_server_that_expects_tls_hangs_up_on_one_who_does_not_speak_it(
    server: RedisServer, certificates: Certificates
) -> None:
    """The reading is unknown."""
    with Proxy(server.port, certificates.context()) as proxy:
        assert reading_of(f"redis://127.0.0.1:{proxy.port}/0").detail == "closed the connection"
