"""The whole daemon, against a real Redis and an API server: what it does, and what it survives."""

from __future__ import annotations

import urllib.request

import pytest
from structlog.testing import capture_logs

from autoscaler.cluster.cordons import LABELS, PREFIX
from autoscaler.sandbox.api.faults import Matching
from tests.metrics_sources.servers import Postgres, postgres_binaries
from tests.service.conftest import Bench
from tests.waiting import eventually

pytestmark = pytest.mark.servers

SCALE = Matching(verb="patch", resource="statefulsets.apps", subresource="scale")
WATCH = Matching(verb="watch", resource="statefulsets.apps")


def test_up_in_one_patch_and_back_to_zero(bench: Bench):
    """A burst in one transaction: 0 to 7 at once; no work: 7 to 0 after the quiet window."""
    bench.start(bench.config())
    bench.push(7)
    eventually(lambda: bench.kube.replicas() == 7)
    bench.ticks(8)
    assert bench.kube.replicas() == 7
    bench.drain()
    eventually(lambda: bench.kube.replicas() == 0)
    assert len(bench.patches()) == 2


def test_airflows_database_raises_the_demand_and_holds_the_last_worker(bench: Bench):
    """Five queued by the database and one in Redis: five workers; none in Redis: one, till it agrees."""
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server is not installed")
    postgres = Postgres(binaries)
    bench.stack.callback(postgres.close)
    postgres.add("queued", "default", tasks=5)
    database = f'airflow = {{ interval_seconds = 1.0 }}\nairflow_database = {{ url = "{postgres.url()}" }}\n'
    bench.start(bench.config(target=database))
    bench.push(1)
    eventually(lambda: bench.kube.replicas() == 5)
    bench.drain()
    eventually(lambda: bench.kube.replicas() == 1)
    bench.ticks(10)
    assert bench.kube.replicas() == 1
    postgres.execute("DELETE FROM task_instance")
    eventually(lambda: bench.kube.replicas() == 0)


def test_what_was_done_is_found_at_the_target(bench: Bench):
    """Up from zero and down again, as Events of the object, by its uid."""
    uid = bench.kube.get_set()["metadata"]["uid"]
    bench.start(bench.config())
    bench.push(2)
    eventually(lambda: bench.kube.replicas() == 2)
    bench.drain()
    eventually(lambda: bench.kube.replicas() == 0)
    query = {"fieldSelector": f"involvedObject.uid={uid},involvedObject.kind=StatefulSet"}
    path = f"/api/v1/namespaces/{bench.kube.namespace}/events"
    reasons = ["ScaledFromZero", "ScaledToZero"]
    eventually(lambda: [e["reason"] for e in bench.kube.call("GET", path, query=query)["items"]] == reasons)


def test_unacknowledged_tasks_hold_the_fleet(bench: Bench):
    """Taken from the queue, not done yet: as many workers stay as may have it."""
    bench.start(bench.config())
    bench.push(3)
    eventually(lambda: bench.kube.replicas() == 3)
    bench.client.hset("unacked", mapping={"a": "1"})
    bench.drain()
    eventually(lambda: bench.kube.replicas() == 1)
    bench.ticks(15)
    assert bench.kube.replicas() == 1
    bench.client.delete("unacked")
    eventually(lambda: bench.kube.replicas() == 0)


def test_a_redis_that_hangs_shrinks_nothing(bench: Bench):
    """It hangs for longer than the window: the fleet stays; it goes on: back to normal."""
    bench.start(bench.config())
    bench.push(4)
    eventually(lambda: bench.kube.replicas() == 4)
    bench.drain()
    bench.broker.suspend()
    bench.for_a_while(lambda: bench.kube.replicas() == 4, 1.5)
    bench.broker.resume()
    eventually(lambda: bench.kube.replicas() == 0)


def test_a_redis_that_refuses_and_comes_back(bench: Bench):
    """Gone and empty afterwards: no answer is no empty queue, and the new server's word counts."""
    bench.start(bench.config())
    bench.push(4)
    eventually(lambda: bench.kube.replicas() == 4)
    bench.broker.stop()
    bench.for_a_while(lambda: bench.kube.replicas() == 4, 1.5)
    bench.broker.start()
    bench.push(6)
    eventually(lambda: bench.kube.replicas() == 6)


def test_a_target_deleted_and_made_anew(bench: Bench):
    """The new object is scaled, on a decision of its own."""
    bench.start(bench.config())
    bench.push(2)
    eventually(lambda: bench.kube.replicas() == 2)
    bench.kube.delete_set()
    bench.ticks(3)
    bench.kube.make_set()
    eventually(lambda: bench.kube.replicas() == 2)


def test_errors_of_the_api_server_are_tried_again(bench: Bench):
    """Each tick decides anew; no decision is sent twice."""
    bench.start(bench.config())
    bench.server.faults.fail(500, SCALE, times=3)
    bench.push(5)
    eventually(lambda: bench.kube.replicas() == 5)
    assert [patch[:3] for patch in bench.patches()] == ["500"] * 3 + ["200"]


def test_a_foreign_write_between_read_and_patch(bench: Bench):
    """Somebody scales to 3 while our patch is on its way: it is refused, and decided on once more."""
    bench.start(bench.config())
    bench.server.faults.hang(SCALE, times=1)
    bench.push(5)
    bench.ticks(3)
    bench.kube.patch_set({"spec": {"replicas": 3}})
    bench.server.faults.clear()
    eventually(lambda: bench.kube.replicas() == 5)
    assert [patch[:3] for patch in bench.patches()] == ["422", "200"]


def test_a_cut_watch_and_an_expired_version(bench: Bench):
    """The daemon goes on scaling through both."""
    bench.start(bench.config())
    bench.server.faults.fail(503, WATCH, times=2)
    bench.server.cut_watches()
    bench.server.compact()
    bench.push(5)
    eventually(lambda: bench.kube.replicas() == 5)
    bench.kube.scale(1)
    eventually(lambda: bench.kube.replicas() == 5)


def test_an_api_server_that_is_gone_for_a_while(bench: Bench):
    """Nothing can be written; when it is back, what is wanted by then is."""
    bench.start(bench.config())
    bench.server.faults.refuse_connections()
    bench.push(5)
    bench.ticks(3)
    bench.server.faults.accept_connections()
    eventually(lambda: bench.kube.replicas() == 5)


def test_a_missing_secret_disturbs_nobody(bench: Bench):
    """One target without its Secret, another one beside it."""
    other = f'[[targets]]\nnamespace = "{bench.kube.namespace}"\nname = "other"\nmin_replicas = 1\n'
    broken = 'broker.secret = { name = "nothing", key = "url" }\n'
    bench.kube.make_set("other", replicas=2)
    bench.start(bench.config(more=other + broken))
    bench.push(3)
    eventually(lambda: bench.kube.replicas() == 3)
    bench.ticks(10)
    assert bench.kube.replicas("other") == 2


def test_a_namespace_that_may_not_be_seen_disturbs_nobody(bench: Bench):
    """A Role is missing in one namespace: its target is unseen, the other one is scaled, all is ready."""
    matching = Matching(path="/namespaces/elsewhere/")
    bench.server.faults.fail(403, matching, times=10_000)
    service = bench.start(bench.config(more='[[targets]]\nnamespace = "elsewhere"\nname = "w"\n'))
    bench.push(3)
    eventually(lambda: bench.kube.replicas() == 3)
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics") as response:
        metrics = response.read().decode()
    assert 'autoscaler_target_unseen{name="w",namespace="elsewhere"} 1.0' in metrics
    assert service.unready() == ""


def test_no_namespace_may_be_seen(bench: Bench):
    """The daemon stays up, says why it is not ready, and does its work once it is let."""
    bench.server.faults.fail(403, Matching(verb="list"), times=4)
    service = bench.start(bench.config())
    bench.push(3)
    eventually(lambda: bench.kube.replicas() == 3)
    assert service.unready() == ""


def test_a_password_that_changes_is_read_again(bench: Bench):
    """The broker wants another password: the Secret is read again, and all is well."""
    service = bench.start(bench.config())
    bench.push(2)
    eventually(lambda: bench.kube.replicas() == 2)
    assert not service.unready()
    bench.client.config_set("requirepass", "new")
    url = bench.broker.url_for("", "new")
    path = f"/api/v1/namespaces/{bench.kube.namespace}/secrets/broker"
    kind = "application/merge-patch+json"
    bench.kube.call("PATCH", path, {"stringData": {"url": url}}, kind=kind)
    bench.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    bench.push(4)
    eventually(lambda: bench.kube.replicas() == 6)


def test_slots_are_asked_of_the_workers_or_declared(bench: Bench):
    """Without slots_per_worker the pod template's word counts until a worker answers."""
    container = dict(
        bench.kube.get_set()["spec"]["template"]["spec"]["containers"][0],
        args=["celery", "worker", "-c", "4"],
    )
    bench.kube.patch_set({"spec": {"template": {"spec": {"containers": [container]}}}})
    config = bench.config()
    config.write_text(config.read_text().replace("slots_per_worker = 1\n", ""))
    bench.start(config)
    bench.push(8)
    eventually(lambda: bench.kube.replicas() == 2)


def test_a_dry_run_writes_nothing(bench: Bench):
    """It decides and reports; the API server sees reads alone."""
    config = bench.config()
    config.write_text(config.read_text().replace("[controller]", "[controller]\ndry_run = true"))
    before = len(bench.server.requests)
    service = bench.start(config)
    bench.push(5)
    bench.ticks(5)
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics") as response:
        metrics = response.read().decode()
    assert 'autoscaler_decisions_total{outcome="dry_run"}' in metrics
    assert "autoscaler_dry_run 1.0" in metrics
    assert {r.method for r in bench.server.requests[before:]} == {"GET"}


def test_workers_of_a_target_that_is_configured_no_more_are_told_of(bench: Bench):
    """Nobody gives them their queues back, so that somebody has to know of them."""
    memory = {
        "metadata": {"name": f"{PREFIX}some-uid", "labels": LABELS},
        "data": {
            "target": "data/gone",
            "kind": "StatefulSet",
            "cordons": '[{"pod":"gone-1","queues":["q"]}]',
        },
    }
    bench.kube.call("POST", "/api/v1/namespaces/default/configmaps", memory)
    with capture_logs() as logs:
        bench.start(bench.config())
    (line,) = (line for line in logs if line.get("target") == "StatefulSet data/gone")
    assert "workers were told to take no tasks and are not given their queues back" in line["event"]
    assert bench.kube.call("GET", f"/api/v1/namespaces/default/configmaps/{PREFIX}some-uid")
