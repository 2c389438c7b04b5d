"""What a watch has to survive, and what a write says when the API server is in trouble."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest

from autoscaler.cluster.client import Api, ApiError, ClusterUnknown, connect
from autoscaler.cluster.managed_fields import ManagedMeta
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.scale import ApiScaler
from autoscaler.cluster.view import BLINK_SECONDS, ClusterView
from autoscaler.cluster.watch import Watcher
from autoscaler.cluster.workloads import StatefulSet, StatefulSetSpec
from autoscaler.core.model import OutcomeKind, Quality, TargetRef
from autoscaler.sandbox.api.faults import Matching
from autoscaler.sandbox.api.server import ApiServer
from tests.cluster.test_scale import decided, seen, uid_of
from tests.fakes import Clock
from tests.kube import Kube
from tests.waiting import eventually

WATCH = Matching(verb="watch", resource="statefulsets.apps")
LIST = Matching(verb="list", resource="statefulsets.apps")
SCALE = Matching(verb="patch", resource="statefulsets.apps", subresource="scale")


def count(server: ApiServer, verb: str) -> int:
    """Return how often worker sets were listed or watched so far."""
    return sum(r.verb == verb and r.resource == "statefulsets.apps" for r in server.requests)


def test_a_cut_watch_goes_on_where_it_was(server: ApiServer, kube: Kube, view: ClusterView):
    """No second list: the watch resumes, and what happened meanwhile is seen."""
    kube.make_set()
    uid_of(view, kube)
    lists = count(server, "list")
    server.faults.fail(500, WATCH, times=2)
    server.faults.cut_watches()
    kube.scale(3)
    eventually(lambda: seen(view, kube) == 3)
    assert count(server, "list") == lists


def test_an_expired_version_leads_to_a_new_list(server: ApiServer, kube: Kube, view: ClusterView):
    """410: what is gone meanwhile is gone from the view, what is new is in it."""
    kube.make_set("old")
    kube.make_set()
    eventually(lambda: seen(view, kube, "old") == 0 and seen(view, kube) == 0)
    server.faults.fail(503, WATCH, times=3)
    server.faults.cut_watches()
    kube.delete_set("old")
    kube.scale(2)
    server.compact()
    eventually(lambda: seen(view, kube, "old") is None and seen(view, kube) == 2)


def test_410_as_a_status_leads_to_a_new_list(server: ApiServer, kube: Kube, view: ClusterView):
    """Some servers say it by the HTTP status rather than by an event."""
    kube.make_set()
    uid_of(view, kube)
    lists = count(server, "list")
    server.faults.fail(410, WATCH)
    server.faults.cut_watches()
    kube.scale(2)
    eventually(lambda: seen(view, kube) == 2 and count(server, "list") == lists + 1)


def test_errors_of_the_first_list_are_survived(server: ApiServer, api: Api, kube: Kube):
    """The API server is not there when the daemon starts: it comes up when that does."""
    server.faults.fail(500, LIST, times=2)
    server.faults.fail(429, LIST, times=1, retry_after_seconds=1)
    kube.make_set(replicas=1)
    server.faults.fail(503, LIST, times=1)
    view = ClusterView(api, [kube.namespace], time.monotonic)
    view.start()
    assert view.wait_settled(30.0, time.monotonic)
    assert seen(view, kube) == 1
    view.stop()


def test_a_server_that_is_gone_and_comes_back(server: ApiServer, api: Api, kube: Kube):
    """While it is gone the view grows old and says so; it is young again when the server is back."""
    clock = Clock()
    view = ClusterView(api, [kube.namespace], clock)
    kube.make_set(replicas=2)
    view.start()
    eventually(lambda: seen(view, kube) == 2)
    target = TargetRef(kube.namespace, "w")
    server.faults.refuse_connections()
    eventually(lambda: view._sight(kube.namespace).sets.trouble, "the loss is noticed")
    assert view.worker_set(target).quality is Quality.FRESH
    clock.advance(BLINK_SECONDS + 1)
    reading = view.worker_set(target)
    assert (reading.quality, reading.age_seconds) == (Quality.STALE, BLINK_SECONDS + 1)
    assert reading.value is not None
    assert "no answer from the API server" in reading.detail
    server.faults.accept_connections()
    eventually(lambda: view.worker_set(target).quality is Quality.FRESH)
    kube.scale(5)
    eventually(lambda: seen(view, kube) == 5)
    view.stop()


def test_nothing_is_polled_in_steady_state(server: ApiServer, kube: Kube, view: ClusterView):
    """One list and one watch; a hundred changes later there has been no other request."""
    kube.make_set()
    uid_of(view, kube)
    before = (count(server, "list"), count(server, "watch"))
    for replicas in range(1, 101):
        kube.scale(replicas)
    eventually(lambda: seen(view, kube) == 100)
    assert (count(server, "list"), count(server, "watch")) == before


def test_a_list_of_many_pages_arrives_whole(server: ApiServer, api: Api, kube: Kube):
    """More objects than fit a page, and pages that expire on the way: begun again, nothing is missing."""
    for number in range(7):
        kube.make_set(f"w{number}", replicas=number)
    mirror: Mirror[StatefulSet] = Mirror(Clock())
    watcher = Watcher(api, kube.sets(), StatefulSet, mirror, clock=time.monotonic, page=3)
    server.faults.fail(410, Matching(verb="list", path=kube.namespace), times=1)
    watcher.start()
    assert mirror.wait_settled(30.0)
    found = [mirror.get(kube.namespace, f"w{number}") for number in range(7)]
    assert [item.spec.replicas for item in found if item] == list(range(7))
    watcher.stop()


def state(version: str, replicas: int, uid: str = "u") -> StatefulSet:
    """Return a worker set at a version."""
    meta = ManagedMeta(name="w", namespace="n", uid=uid, resource_version=version)
    return StatefulSet(metadata=meta, spec=StatefulSetSpec(replicas=replicas))


def test_an_old_event_does_not_undo_a_write():
    """The watch, or a list, may be behind the answer to our own write: the newer version wins."""
    mirror: Mirror[StatefulSet] = Mirror(Clock())
    mirror.put(state("10", 0))
    mark = mirror.begin()
    mirror.learn(state("12", 5))
    mirror.put(state("11", 0))
    assert mirror.get("n", "w") == state("12", 5)
    mirror.replace([state("11", 0)], mark)
    assert mirror.get("n", "w") == state("12", 5)
    mirror.remove(state("13", 5, uid="another"))
    assert mirror.get("n", "w") is not None
    mirror.put(state("not-a-number", 7))
    assert mirror.get("n", "w") == state("not-a-number", 7)
    mirror.remove(state("14", 5))
    mirror.remove(state("14", 5))
    assert mirror.get("n", "w") is None


def test_versions_that_go_back_are_believed_of_a_list():
    """A cluster restored from a backup counts from an earlier version: what it lists is what there is."""
    mirror: Mirror[StatefulSet] = Mirror(Clock())
    mirror.learn(state("900", 5))
    mirror.replace([state("100", 2)], mirror.begin())
    assert mirror.get("n", "w") == state("100", 2)
    mirror.learn(state("101", 3))
    assert mirror.get("n", "w") == state("101", 3)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, OutcomeKind.FAILED),
        (503, OutcomeKind.FAILED),
        (429, OutcomeKind.FAILED),
        (403, OutcomeKind.REFUSED),
        (401, OutcomeKind.REFUSED),
        (409, OutcomeKind.CONFLICT),
    ],
)
def test_outcomes_of_a_write_in_trouble(
    server: ApiServer, api: Api, kube: Kube, view: ClusterView, status: int, kind: OutcomeKind
):
    """What the server says decides what is said of it; nothing is retried here."""
    kube.make_set(replicas=1)
    uid = uid_of(view, kube)
    server.faults.fail(status, SCALE)
    outcome = ApiScaler(api, view).scale(decided(kube, uid, 1, 2))
    assert (outcome.kind, outcome.replicas) == (kind, 1)
    assert sum(r.subresource == "scale" and r.method == "PATCH" for r in server.requests) == 1


def test_a_refusal_that_cannot_be_looked_into(server: ApiServer, api: Api, kube: Kube, view: ClusterView):
    """Refused, and then no answer: failed, to be decided anew at the next tick."""
    kube.make_set(replicas=1)
    uid = uid_of(view, kube)
    server.faults.fail(422, SCALE)
    server.faults.fail(500, Matching(verb="get", resource="statefulsets.apps"))
    outcome = ApiScaler(api, view).scale(decided(kube, uid, 1, 2))
    assert outcome.kind is OutcomeKind.FAILED
    assert outcome.message.startswith("refused, then:")


@pytest.fixture
def hasty(server: ApiServer, kubeconfig) -> Iterator[Api]:
    """Connect with a short patience."""
    connection = connect(0.2, kubeconfig)
    yield connection
    server.faults.clear()
    connection.close()


def test_a_server_that_hangs_is_given_up(server: ApiServer, hasty: Api, kube: Kube, view: ClusterView):
    """After the time-out, and without a second try."""
    kube.make_set(replicas=1)
    uid = uid_of(view, kube)
    server.faults.hang(SCALE)
    outcome = ApiScaler(hasty, view).scale(decided(kube, uid, 1, 2))
    assert (outcome.kind, outcome.replicas) == (OutcomeKind.FAILED, 1)
    assert "no answer from the API server" in outcome.message


def test_an_answer_that_makes_no_sense_is_an_error(api: Api):
    """Something else answers under the address of the API server."""
    with pytest.raises(ApiError) as error:
        api.get("/version", list[int])
    assert error.value.reason == "NotUnderstood"
    with pytest.raises(ApiError) as missing:
        api.get("/no/such/path", StatefulSet)
    assert (missing.value.status, missing.value.message) == (404, "404 page not found")


def test_a_watcher_that_is_stopped_ends_at_once(server: ApiServer, api: Api):
    """In the middle of a silent watch, and before it has begun."""
    mirror: Mirror[StatefulSet] = Mirror(Clock())
    watcher = Watcher(
        api, "/apis/apps/v1/statefulsets", StatefulSet, mirror, clock=time.monotonic, rng=random.Random(1)
    )
    watcher.start()
    eventually(lambda: server.watch_count == 1)
    watcher.stop()
    assert not watcher.alive
    Watcher(api, "/apis/apps/v1/statefulsets", StatefulSet, mirror, clock=time.monotonic).stop()


def test_no_cluster_is_said(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """A kubeconfig that is not there."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(ClusterUnknown):
        connect(1.0, tmp_path / "nothing")
