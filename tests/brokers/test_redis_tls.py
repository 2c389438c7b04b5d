"""Readers over TLS. The server's end is mostly a proxy, for not every redis-server is built with TLS."""

from __future__ import annotations

import subprocess
from contextlib import closing

import pytest

from autoscaler.brokers.address import redis_address
from autoscaler.brokers.redis import RedisReader
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.account import BrokerAccount
from autoscaler.core.model import Quality, Reading, TargetRef
from autoscaler.ports import DepthQuery
from tests.brokers.accounts import delivered_of, waiting
from tests.brokers.certificates import Certificates, make_certificates
from tests.brokers.conftest import StartRedis
from tests.brokers.servers import Proxy, RedisServer, free_port, redis_binary, wait_until

pytestmark = pytest.mark.servers

QUERY = DepthQuery(TargetRef("ns", "a"), ("default",), BrokerSettings(timeout_seconds=10.0))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates made for this run."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


def reading_of(url: str) -> Reading[BrokerAccount]:
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


def test_a_redis_that_speaks_tls_itself_is_read(start_redis: StartRedis, certificates: Certificates) -> None:
    """With a certificate of our own, as it asks for one; and in the background as well."""
    binary = redis_binary()
    assert binary is not None
    port = free_port()
    tls = ("--tls-cert-file", certificates.server, "--tls-key-file", certificates.server_key)
    probe = subprocess.run([binary, "--port", "0", *tls], capture_output=True, text=True, check=False)
    if "Bad directive" in probe.stdout + probe.stderr:
        pytest.skip("this redis-server is built without TLS")
    server = start_redis("--tls-port", str(port), *tls, "--tls-ca-cert-file", certificates.authority)
    server.admin.lpush("default", "message")
    server.admin.hset("unacked", mapping=dict.fromkeys(map(str, range(2500)), '[{},"","default"]'))
    server.admin.zadd("unacked_index", {str(number): number for number in range(2500)})
    query = f"ssl_ca_certs={certificates.authority}&ssl_certfile={certificates.client}"
    address = redis_address(f"rediss://127.0.0.1:{port}/0?{query}&ssl_keyfile={certificates.client_key}")
    with closing(RedisReader(address)) as reader:

        def deliveries() -> int:
            return len(delivered_of(reader.read([QUERY])[0]).deliveries)

        assert waiting(reader.read([QUERY])[0]) == 1
        wait_until(lambda: deliveries() == 2500, "the look in the background")
