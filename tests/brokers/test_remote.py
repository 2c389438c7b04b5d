"""Asking real workers, and leaving their broker as it was."""

from __future__ import annotations

import json
import time

import pytest

from autoscaler.brokers.remote import RemoteControl, Unanswered, slots_told
from autoscaler.config.model import BrokerSettings
from autoscaler.ports import BrokerUnknown
from tests.brokers.certificates import make_certificates
from tests.brokers.conftest import Fleet
from tests.brokers.servers import Proxy, RedisServer, free_port, wait_until

servers = pytest.mark.servers

BROKER = BrokerSettings(timeout_seconds=2.0)
NODES = ["celery@w-0", "celery@w-1"]
REPLY_BINDINGS = "_kombu.binding.reply.celery.pidbox"


@pytest.mark.parametrize(
    ("stats", "slots"),
    [
        ({"pool": {"max-concurrency": 16}}, 16),
        ({"pool": {"max-concurrency": 1}, "autoscaler": {"max": 6, "min": 1}}, 6),
        ({"pool": {"max-concurrency": 4}, "autoscaler": {}}, 4),
        ({"pool": {"max-concurrency": 0}}, None),
        ({"pool": {"max-concurrency": "16"}}, None),
        ({"pool": {}}, None),
        ({"pool": None}, None),
        ({"error": "no such command"}, None),
        ("odd", None),
        (None, None),
    ],
)
def test_what_a_worker_says_of_itself_is_its_slots_or_nothing(stats: object, slots: int | None) -> None:
    """An autoscaling worker counts with its maximum, and whatever is no positive number is not told."""
    assert slots_told(stats) == slots


@servers
def test_a_worker_tells_its_concurrency_and_an_autoscaling_one_its_maximum(fleet: Fleet) -> None:
    """The pool of an autoscaling worker has only grown to one so far."""
    assert RemoteControl().concurrency(fleet.server.url, BROKER, NODES) == {"celery@w-0": 3, "celery@w-1": 6}


@servers
def test_nobody_else_answers(fleet: Fleet) -> None:
    """Nodes that are not there are left out, and those that were not asked."""
    assert RemoteControl().concurrency(fleet.server.url, BROKER, ["celery@w-0", "celery@gone"]) == {
        "celery@w-0": 3
    }


@servers
def test_workers_under_a_prefix_are_asked_under_it(fleet: Fleet) -> None:
    """The layout of the keys is the workers' own; under another one they do not hear."""
    layout = BrokerSettings(global_keyprefix="app:", sep=":")
    remote = RemoteControl()
    assert remote.concurrency(fleet.server.url, layout, ["celery@w-2"]) == {"celery@w-2": 2}
    assert remote.concurrency(fleet.server.url, BROKER, ["celery@w-2"]) == {}


@servers
def test_fifty_inspections_leave_nothing_behind(fleet: Fleet) -> None:
    """No key, no binding and no connection, whether there was an answer or not."""
    server, remote = fleet.server, RemoteControl()
    keys, connections = server.keys(), len(server.admin.client_list())
    for _ in range(50):
        assert remote.concurrency(server.url, BROKER, ["celery@w-0"]) == {"celery@w-0": 3}
    assert remote.concurrency(server.url, BROKER, ["celery@gone"]) == {}
    assert server.keys() == keys
    assert REPLY_BINDINGS not in keys
    wait_until(lambda: len(server.admin.client_list()) == connections, "the connections to close")


@servers
def test_tasks_that_others_hold_are_left_to_them(server: RedisServer) -> None:
    """A task unacknowledged for two hours is not given back, as any other consumer would do.

    Airflow's workers keep theirs for a day: after an hour they would run a second time.
    """
    message = {
        "body": "",
        "headers": {},
        "properties": {"delivery_info": {"exchange": "", "routing_key": "q"}},
    }
    server.admin.hset("unacked", "tag", json.dumps([message, "", "q"]))
    server.admin.zadd("unacked_index", {"tag": time.time() - 7200})
    assert RemoteControl().concurrency(server.url, BROKER, ["celery@gone"]) == {}
    assert server.admin.hlen("unacked") == 1
    assert server.keys() == {"unacked", "unacked_index"}


@servers
def test_the_broker_of_our_own_environment_is_not_asked(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Celery prefers CELERY_BROKER_URL to what it is told."""
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"):
        monkeypatch.setenv(name, f"redis://127.0.0.1:{free_port()}/0")
    assert RemoteControl().concurrency(fleet.server.url, BROKER, ["celery@w-0"]) == {"celery@w-0": 3}


@servers
def test_it_asks_over_a_unix_socket_and_over_tls(
    fleet: Fleet, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """TLS is verified as it is for the readers, which kombu would not do by itself."""
    remote = RemoteControl()
    socket_url = f"redis+socket://{fleet.server.path}"
    assert remote.concurrency(socket_url, BROKER, ["celery@w-0"]) == {"celery@w-0": 3}
    certificates = make_certificates(tmp_path_factory.mktemp("tls"))
    with Proxy(fleet.server.port, certificates.context()) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}/0"
        trusted = f"{url}?ssl_ca_certs={certificates.authority}"
        assert remote.concurrency(trusted, BROKER, ["celery@w-0"]) == {"celery@w-0": 3}
        with pytest.raises(Unanswered, match="shows a certificate that is not trusted"):
            remote.concurrency(url, BROKER, ["celery@w-0"])


@servers
@pytest.mark.parametrize("forbidden", ["-publish", "-sadd", "-brpop", "-ping", "resetchannels"])
def test_a_missing_right_is_told_and_leaves_nothing_behind(fleet: Fleet, forbidden: str) -> None:
    """The user of a broker's URL may be allowed to read only."""
    server = fleet.server
    keys = server.keys()
    server.user("asker", "hunter2", "~*", "&*", "+@all", forbidden)
    url = f"redis://asker:hunter2@127.0.0.1:{server.port}/0"
    with pytest.raises(Unanswered, match=r"does not allow remote control \(NOPERM\)") as refusal:
        RemoteControl().concurrency(url, BROKER, ["celery@w-0"])
    assert "hunter2" not in str(refusal.value)
    assert server.keys() == keys


@servers
def test_the_rights_that_are_said_to_be_needed_are_enough(fleet: Fleet) -> None:
    """As they are listed for whoever writes the ACL."""
    rights = [
        f"+{name}"
        for name in ("ping", "llen", "sadd", "smembers", "srem", "del", "multi", "exec", "brpop", "publish")
    ]
    fleet.server.user("asker", "pw", "~*", "&*", *rights)
    url = f"redis://asker:pw@127.0.0.1:{fleet.server.port}/0"
    assert RemoteControl().concurrency(url, BROKER, ["celery@w-0"]) == {"celery@w-0": 3}


@servers
def test_a_broker_that_cannot_be_asked_is_an_error_in_our_words(server: RedisServer) -> None:
    """Refused, rejected, unknown or not understood."""
    remote = RemoteControl()
    server.admin.config_set("requirepass", "right")
    with pytest.raises(Unanswered, match="rejected the credentials") as refusal:
        remote.concurrency(f"redis://:hunter2@127.0.0.1:{server.port}/0", BROKER, NODES)
    assert "hunter2" not in f"{refusal.value}{refusal.value.__cause__}"
    with pytest.raises(Unanswered, match="refused the connection"):
        remote.concurrency(f"redis://127.0.0.1:{free_port()}/0", BROKER, NODES)
    with pytest.raises(Unanswered, match=r"no such host|could not be looked up"):
        remote.concurrency("redis://nowhere.invalid/0", BROKER, NODES)
    with pytest.raises(BrokerUnknown, match="sqs:// are not read yet"):
        remote.concurrency("sqs://h//", BROKER, NODES)


@servers
def test_a_broker_that_hangs_is_given_up(server: RedisServer) -> None:
    """From the start."""
    server.pause()
    with pytest.raises(Unanswered, match=r"did not answer within 0\.2 s"):
        RemoteControl().concurrency(server.url, BrokerSettings(timeout_seconds=0.2), NODES)
    server.resume()


@servers
@pytest.mark.parametrize("moment", [b"PUBLISH", b"SADD", b"BRPOP"])
def test_a_broker_that_hangs_in_between_is_given_up_and_cleared_later(fleet: Fleet, moment: bytes) -> None:
    """The reply queue that could not be deleted is deleted by the next inspection."""
    server, remote = fleet.server, RemoteControl()
    keys = server.keys()
    broker = BrokerSettings(timeout_seconds=0.2)
    with Proxy(server.port, freeze_on=moment) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with pytest.raises(Unanswered, match=r"did not answer within 0\.2 s"):
            remote.concurrency(url, broker, ["celery@w-0"])
        assert proxy.frozen.is_set()
        proxy.freeze_on = b""
        proxy.frozen.clear()
        assert remote.concurrency(url, BROKER, ["celery@w-0"]) == {"celery@w-0": 3}
    assert server.keys() == keys


@servers
def test_a_worker_that_answers_too_late_leaves_nothing_behind(fleet: Fleet) -> None:
    """Its reply finds no queue any more."""
    server, remote, worker = fleet.server, RemoteControl(), fleet.workers[0]
    keys = server.keys()
    worker.pause()
    try:
        assert remote.concurrency(server.url, BROKER, ["celery@w-0"]) == {}
    finally:
        worker.resume()
    wait_until(lambda: remote.concurrency(server.url, BROKER, ["celery@w-0"]), "the worker to answer again")
    assert server.keys() == keys
