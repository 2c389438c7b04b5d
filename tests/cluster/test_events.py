"""Events on a real API server or on the one that stands in for it: what is written, and what is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from autoscaler.cluster.client import Api, connect
from autoscaler.cluster.event_rates import BURST, SAME_SECONDS
from autoscaler.cluster.events import MESSAGE_BYTES, ApiEvents, cut
from autoscaler.core.events import Event, EventFate
from autoscaler.core.model import TargetRef
from autoscaler.sandbox.api.access import Rule, User
from autoscaler.sandbox.api.faults import Matching
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.fakes import Clock
from tests.kube import SETS, Kube
from tests.waiting import eventually

JSON = dict[str, Any]
AT = 1_800_000_000.25  # 2027-01-15T08:00:00Z and a quarter
KUBECTL = os.environ.get("KUBECTL") or shutil.which("kubectl") or ""
CREATE = Matching(verb="create", resource="events")
PATCH = Matching(verb="patch", resource="events")


class Desk:
    """Something that writes Events, what came of them, and its clock."""

    def __init__(self, api: Api, namespace: str, uid: str = "u", **more: Any) -> None:
        self.clock = Clock()
        self.fates: list[str] = []
        more.setdefault("pauses_seconds", (0.0, 0.0))
        self.events = ApiEvents(api, "pod-1", self.clock, self._count, **more)
        self.event = Event(TargetRef(namespace, "w"), uid, "ScaledUp", "1 → 2", warning=False, at=AT)

    def _count(self, fate: EventFate) -> None:
        self.fates.append(fate.value)

    def post(self, **change: Any) -> None:
        """Have an Event told, and wait for what comes of it."""
        before = len(self.fates)
        self.events.post(replace(self.event, **change))
        eventually(lambda: len(self.fates) > before, "something comes of it")


@pytest.fixture
def desks(api: Api, kube: Kube) -> Iterator[Callable[..., Desk]]:
    """Make writers of Events in the test's namespace that work until its end."""
    made: list[Desk] = []

    def make(**more: Any) -> Desk:
        made.append(Desk(more.pop("api", api), kube.namespace, **more))
        made[-1].events.start()
        return made[-1]

    yield make
    for desk in made:
        desk.events.stop()


def listed(kube: Kube, **fields: str) -> list[JSON]:
    """Return the Events of a namespace."""
    selector = ",".join(f"{field}={value}" for field, value in fields.items())
    path = f"/api/v1/namespaces/{kube.namespace}/events"
    found: list[JSON] = kube.call("GET", path, query={"fieldSelector": selector})["items"]
    return [item for item in found if item["source"].get("component") == "autoscaler"]


@pytest.mark.cluster
@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_an_event_is_found_at_its_object(kube: Kube, desks: Callable[..., Desk], kind: str):
    """By what `kubectl describe` asks for: the uid among it."""
    made = kube.make_set()
    if kind == "Deployment":
        spec = {key: made["spec"][key] for key in ("replicas", "selector", "template")}
        body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "w"}, "spec": spec}
        made = kube.call("POST", SETS.format(kube.namespace).replace("statefulsets", "deployments"), body)
    uid = made["metadata"]["uid"]
    desk = desks(uid=uid)
    desk.post(target=TargetRef(kube.namespace, "w", kind), reason="QuotaLimited", warning=True)
    assert desk.fates == ["posted"]
    about = {
        "involvedObject.name": "w",
        "involvedObject.namespace": kube.namespace,
        "involvedObject.kind": kind,
        "involvedObject.uid": uid,
    }
    (event,) = listed(kube, **about)
    assert event["involvedObject"] == {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": "w",
        "namespace": kube.namespace,
        "uid": uid,
    }
    stamp = "2027-01-15T08:00:00Z"
    assert (event["firstTimestamp"], event["lastTimestamp"], event["count"]) == (stamp, stamp, 1)
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "QuotaLimited", "1 → 2")
    assert (event["source"], event["eventTime"]) == ({"component": "autoscaler"}, None)
    assert (event["reportingComponent"], event["reportingInstance"]) == ("autoscaler", "pod-1")
    assert listed(kube, reportingComponent="autoscaler", type="Warning") == [event]


@pytest.mark.cluster
@pytest.mark.skipif(not KUBECTL, reason="no kubectl on PATH, and KUBECTL names none")
def test_kubectl_describe_shows_them(
    kube: Kube, desks: Callable[..., Desk], kubeconfig: Path, tmp_path: Path
):
    """Last in what it says of the target, with who said it and how often."""
    desk = desks(uid=kube.make_set()["metadata"]["uid"])
    for _ in range(2):
        desk.post(reason="DemandUnknown", message="demand unknown (redis: silent), 5 kept", warning=True)
    arguments = ["--kubeconfig", str(kubeconfig), "--namespace", kube.namespace, "describe", "sts", "w"]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [KUBECTL, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    last = done.stdout.splitlines()[-1].split()
    assert last[:2] == ["Warning", "DemandUnknown"]
    assert "(x2 over" in done.stdout.splitlines()[-1]
    assert " ".join(last[-7:]) == "autoscaler demand unknown (redis: silent), 5 kept"


@pytest.mark.cluster
def test_the_same_again_is_counted(kube: Kube, desks: Callable[..., Desk]):
    """Within ten minutes of the last time; after that it is an Event of its own."""
    desk = desks()
    for number in range(3):
        desk.post(at=AT + 60 * number)
        desk.clock.advance(SAME_SECONDS)
    (event,) = listed(kube)
    assert event["count"] == 3
    assert event["firstTimestamp"] == "2027-01-15T08:00:00Z"
    assert event["lastTimestamp"] == "2027-01-15T08:02:00Z"
    desk.clock.advance(1.0)
    desk.post()
    desk.post(message="2 → 3")
    assert sorted(one["count"] for one in listed(kube)) == [1, 1, 3]
    assert desk.fates == ["posted"] * 5


@pytest.mark.cluster
def test_an_event_that_has_expired_is_made_anew(kube: Kube, desks: Callable[..., Desk]):
    """The API server keeps them for an hour, or for as long as it likes."""
    desk = desks()
    desk.post()
    desk.post()
    (event,) = listed(kube)
    kube.call("DELETE", f"/api/v1/namespaces/{kube.namespace}/events/{event['metadata']['name']}")
    desk.post()
    desk.post()
    (anew,) = listed(kube)
    assert anew["count"] == 2
    assert anew["metadata"]["name"] != event["metadata"]["name"]


@pytest.mark.cluster
def test_long_names_and_messages_fit(kube: Kube, desks: Callable[..., Desk]):
    """The name of an object may be as long as that of an Event, and a sentence longer than its message."""
    desk = desks()
    name = "-".join(["a" * 62] * 4)
    desk.post(target=TargetRef(kube.namespace, name), message="ü" * MESSAGE_BYTES)
    assert desk.fates == ["posted"]
    (event,) = listed(kube)
    assert event["involvedObject"]["name"] == name
    assert event["message"] == cut("ü" * MESSAGE_BYTES)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("", ""),
        ("0 → 3", "0 → 3"),
        ("a" * 1024, "a" * 1024),
        ("a" * 1025, "a" * 1021 + "…"),
        ("ü" * 600, "ü" * 510 + "…"),
        ("broken \udcff", "broken ?"),
    ],
    ids=["empty", "short", "just-fits", "too-long", "many-bytes", "no-text"],
)
def test_a_message_is_cut_between_characters(message: str, kept: str):
    """To 1024 bytes, and it is seen that something is missing."""
    assert cut(message) == kept
    assert len(cut(message).encode()) <= MESSAGE_BYTES


def test_too_many_of_one_object_are_dropped_and_counted(kube: Kube, desks: Callable[..., Desk]):
    """25 at once; another object, and a warning, still get through."""
    desk = desks()
    for number in range(BURST + 3):
        desk.events.post(replace(desk.event, message=str(number)))
    eventually(lambda: len(desk.fates) == BURST + 3)
    assert desk.fates.count("rate_limited") == 3
    desk.post(uid="other")
    desk.post(warning=True)
    assert desk.fates[-2:] == ["posted"] * 2
    assert len(listed(kube)) == BURST + 2


def test_a_slow_api_server_delays_nobody(server: ApiServer, kube: Kube, desks: Callable[..., Desk]):
    """It hangs: handing over still returns at once, and what is too much is dropped."""
    server.faults.hang(CREATE, times=1)
    desk = desks(queued=2)
    desk.events.post(desk.event)
    eventually(lambda: not server.faults._faults, "the first one hangs")
    for number in range(4):
        desk.events.post(replace(desk.event, message=str(number)))
    assert desk.fates == ["queue_full"] * 2
    server.faults.clear()
    eventually(lambda: desk.fates.count("posted") == 3)
    assert [event["message"] for event in listed(kube)] == ["1 → 2", "0", "1"]


def test_what_may_pass_is_tried_again(server: ApiServer, kube: Kube, desks: Callable[..., Desk]):
    """Three tries in all, for a create as for a patch."""
    desk = desks()
    server.faults.fail(500, CREATE, times=2)
    desk.post()
    server.faults.fail(429, PATCH, times=2)
    desk.post()
    assert desk.fates == ["posted"] * 2
    assert [event["count"] for event in listed(kube)] == [2]


def test_a_try_whose_answer_was_lost_makes_no_second_event(server: ApiServer, desks: Callable[..., Desk]):
    """The name is taken then, by ourselves."""
    desk = desks()
    server.faults.fail(409, CREATE)
    desk.post()
    assert desk.fates == ["posted"]
    assert len([r for r in server.requests if r.method == "POST" and r.resource == "events"]) == 1


def test_what_does_not_pass_is_left_and_said_once(server: ApiServer, kube: Kube, desks: Callable[..., Desk]):
    """Once for each cause until an Event is taken again; no Event is tried for ever."""
    desk = desks()
    with capture_logs() as logs:
        server.faults.fail(503, CREATE, times=6)
        desk.post(message="a")
        desk.post(message="b")
        assert desk.fates == ["failed"] * 2
        server.faults.fail(422, CREATE)
        desk.post(message="c")
        assert [line["reason"] for line in logs] == ["ServiceUnavailable", "Invalid"]
        desk.post(message="d")
        server.faults.fail(422, CREATE)
        desk.post(message="e")
        assert [line["reason"] for line in logs] == ["ServiceUnavailable", "Invalid", "Invalid"]
    assert desk.fates[2:] == ["refused", "posted", "refused"]
    assert all(line["event"] == "Events cannot be written" for line in logs)
    assert [event["message"] for event in listed(kube)] == ["d"]


@pytest.mark.parametrize(
    ("status", "causes"), [(404, ()), (403, ("NamespaceTerminating",))], ids=["gone", "terminating"]
)
def test_a_namespace_that_goes_is_no_trouble(
    server: ApiServer, desks: Callable[..., Desk], status: int, causes: tuple[str, ...]
):
    """Its target goes with it."""
    desk = desks()
    with capture_logs() as logs:
        server.faults.fail(status, CREATE, causes=causes)
        desk.post()
    assert (desk.fates, logs) == (["refused"], [])


def test_a_missing_right_is_named(tmp_path: Path):
    """The verb and the namespace, once for each; it is not tried again."""
    rules = [Rule(("create",), ("",), ("events",), ("a",))]
    users = {"sizer": User("system:serviceaccount:control:sizer", tuple(rules)), "root": User("root")}
    with ApiServer(Store(), tokens=users) as server:
        root = connect(10.0, server.write_kubeconfig(tmp_path / "root", "root"))
        for namespace in "abc":
            Kube(root.client, "").call("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        api = connect(10.0, server.write_kubeconfig(tmp_path / "sizer", "sizer"))
        desk = Desk(api, "a")
        desk.events.start()
        with capture_logs() as logs:
            for namespace in "aabbc":
                desk.post(target=TargetRef(namespace, "w"), uid=namespace)
        desk.events.stop()
        sent = [(r.method, r.status) for r in server.requests if r.resource == "events"]
        api.close()
        root.close()
    assert desk.fates == ["posted"] + ["refused"] * 4
    assert sent == [("POST", 201), ("PATCH", 403), ("POST", 403), ("POST", 403), ("POST", 403)]
    assert [line["event"] for line in logs] == [
        f"Events of namespace {namespace} cannot be written: it takes the right to {verb} events there, "
        "which `autoscaler rbac` prints"
        for namespace, verb in (("a", "patch"), ("b", "create"), ("c", "create"))
    ]


def test_an_event_that_cannot_be_made_stops_nothing(desks: Callable[..., Desk]):
    """This thread is all that writes Events."""
    desk = desks()
    with capture_logs() as logs:
        desk.post(at=float("inf"))
    desk.post()
    assert desk.fates == ["failed", "posted"]
    assert [line["event"] for line in logs] == ["an Event broke"]


def test_what_waits_at_the_end_is_still_written(server: ApiServer, kube: Kube, desks: Callable[..., Desk]):
    """A second or so later; the pause before a second try is not waited for."""
    desk = desks(pauses_seconds=(3600.0,))
    server.faults.fail(500, CREATE)
    desk.events.post(replace(desk.event, message="a"))
    eventually(lambda: any(r.resource == "events" for r in server.requests), "it was tried once")
    for message in "bc":
        desk.events.post(replace(desk.event, message=message))
    desk.events.stop(30.0)
    assert desk.fates == ["failed", "posted", "posted"]
    assert [event["message"] for event in listed(kube)] == ["b", "c"]


def test_the_end_does_not_wait_for_an_api_server_that_hangs(server: ApiServer, desks: Callable[..., Desk]):
    """What is left is said, and counted when the request at hand is over."""
    server.faults.hang(CREATE, times=1)
    desk = desks()
    for message in "abc":
        desk.events.post(replace(desk.event, message=message))
    eventually(lambda: not server.faults._faults, "the first one hangs")
    with capture_logs() as logs:
        desk.events.stop(0.05)
    assert [(line["event"], line["left"]) for line in logs] == [("ended before every Event was written", 3)]
    server.faults.clear()
    eventually(lambda: desk.fates == ["posted", "left", "left"])
    desk.events.stop(30.0)


def test_a_writer_that_was_never_started_ends_at_once(api: Api):
    """The daemon may end before it has begun."""
    threads = threading.active_count()
    ApiEvents(api, "pod-1", Clock(), lambda _: None).stop()
    assert threading.active_count() == threads
