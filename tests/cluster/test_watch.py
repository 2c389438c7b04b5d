"""Turns of a watch that no server takes on request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from autoscaler.cluster.client import ApiError
from autoscaler.cluster.mirror import Mirror
from autoscaler.cluster.watch import Watcher
from autoscaler.cluster.workloads import StatefulSet
from tests.fakes import Clock
from tests.waiting import eventually

RECORDINGS = Path(__file__).parents[1] / "recordings"


def item(name: str, version: int) -> dict:
    """Return a worker set."""
    return {"metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": str(version)}}


class Script:
    """An API that lists and watches as it is told: each list in pages, of which one may be an error."""

    def __init__(self, lists: list[list[list[str] | ApiError]], watches: list[list[dict]]) -> None:
        self.lists = lists
        self.watches = watches
        self.versions: list[str] = []
        self._pages: list[list[str] | ApiError] = []

    def get(self, path: str, kind: type, query: Mapping[str, str]) -> msgspec.Raw:
        """Return the next page."""
        assert kind is msgspec.Raw
        if "continue" not in query:
            self._pages = self.lists.pop(0)
        page = self._pages.pop(0)
        if isinstance(page, ApiError):
            raise page
        meta = {"resourceVersion": "100", **({"continue": "more"} if self._pages else {})}
        return msgspec.Raw(json.dumps({"metadata": meta, "items": [item(n, 1) for n in page]}).encode())

    @contextmanager
    def stream(self, path: str, query: Mapping[str, str], silence_seconds: float) -> Iterator[Response]:
        """Play the next watch; with none left they end at once."""
        assert silence_seconds > 0
        self.versions.append(query["resourceVersion"])
        yield Response(self.watches.pop(0) if self.watches else [])


class Response:
    """What the watcher reads of an open answer: events, cut anywhere as by a network."""

    def __init__(self, events: list[dict]) -> None:
        self._text = b"".join(json.dumps(event).encode() + b"\n" for event in events)

    def stream(self, _: None) -> Iterator[bytes]:
        """Yield chunks."""
        for start in range(0, len(self._text), 7):
            yield self._text[start : start + 7]


def is_in_trouble(mirror: Mirror[StatefulSet], reason: str) -> bool:
    """Return whether a mirror's trouble is of a kind."""
    return mirror.trouble.startswith(reason)


def run(script: Script) -> tuple[Mirror[StatefulSet], Watcher[StatefulSet]]:
    """Start a watcher on a script, with a clock that stands still."""
    mirror: Mirror[StatefulSet] = Mirror(Clock())
    watcher = Watcher(script, "/sets", StatefulSet, mirror, clock=Clock(), page=2)  # type: ignore[arg-type]  # a stand-in
    watcher.start()
    return mirror, watcher


def test_a_page_that_has_expired_begins_the_list_anew():
    """Half a list is never taken for a whole one."""
    expired = ApiError(410, "Expired", "the continue token is too old")
    mirror, watcher = run(Script([[["a", "b"], expired], [["a", "c"], ["d"]]], []))
    assert mirror.wait_settled(20.0)
    assert [mirror.get("n", name) is not None for name in "abcd"] == [True, False, True, True]
    watcher.stop()


def test_a_watch_that_ends_at_once_is_a_trouble():
    """It is not opened again and again without a pause, and the trouble is told."""
    mirror, watcher = run(Script([[["a"]]], [[]]))
    eventually(lambda: mirror.trouble.startswith("WatchEnded"))
    watcher.stop()


def test_events_in_pieces_and_the_place_to_go_on():
    """Lines arrive cut anywhere; a bookmark moves the place on, and the next watch begins there."""
    recorded = json.loads((RECORDINGS / "23-watch.json").read_text())["response"]["events"]
    bookmark = next(event["object"] for event in recorded if event["type"] == "BOOKMARK")
    assert bookmark["spec"]["template"]["spec"]["containers"] is None
    events = [
        {"type": "ADDED", "object": item("b", 101)},
        {"type": "BOOKMARK", "object": bookmark},
    ]
    script = Script([[["a"]]], [events])
    mirror, watcher = run(script)
    eventually(
        lambda: script.versions[1:2] == [bookmark["metadata"]["resourceVersion"]],
        "the second watch goes on from the bookmark",
    )
    assert script.versions[0] == "100"
    assert mirror.get("n", "b") is not None
    watcher.stop()


def test_recorded_events_of_a_real_server_are_understood():
    """Every event that was recorded goes through the watcher."""
    for name in ("23-watch.json", "25-watch-list.json"):
        events = json.loads((RECORDINGS / name).read_text())["response"]["events"]
        script = Script([[[]]], [events])
        mirror, watcher = run(script)
        versions = script.versions
        eventually(partial(versions.__contains__, events[-1]["object"]["metadata"]["resourceVersion"]))
        assert "NotUnderstood" not in mirror.trouble
        assert mirror.get("recorded", "airflow-worker") is not None
        watcher.stop()


def test_lists_that_make_no_sense_are_troubles():
    """No list at all, and one without a version: what is known stays, and the thread goes on."""
    for broken in (msgspec.Raw(b"[1, 2]"), msgspec.Raw(b"{}")):

        class Odd(Script):
            def get(self, path: str, kind: type, query: Mapping[str, str], answer=broken) -> msgspec.Raw:
                return answer if not self.lists else super().get(path, kind, query)

        mirror, watcher = run(
            Odd([[["a"]]], [[{"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}]])
        )
        eventually(partial(is_in_trouble, mirror, "NotUnderstood"))
        assert watcher.alive
        assert mirror.get("n", "a") is not None
        watcher.stop()


def test_a_watcher_survives_what_nobody_foresaw():
    """A bug, or an error of a library: told, and tried again."""

    class Buggy(Script):
        def get(self, path: str, kind: type, query: Mapping[str, str]) -> msgspec.Raw:
            raise RuntimeError("a bug")

    mirror, watcher = run(Buggy([], []))
    eventually(lambda: mirror.trouble == "Broken: RuntimeError: a bug")
    assert watcher.alive
    watcher.stop()


def test_an_expired_place_is_a_blind_moment():
    """Between the 410 and the next list nothing is seen."""
    clock = Clock()
    mirror: Mirror[StatefulSet] = Mirror(clock)
    mirror.lost("the place to go on from has expired")
    clock.advance(7.0)
    assert mirror.blind_seconds == 7.0
    mirror.connected()
    assert mirror.blind_seconds == 0.0
