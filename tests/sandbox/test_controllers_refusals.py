"""Pods that a quota refuses: which are tried, what is told, and how late they come after a raise."""

from __future__ import annotations

import json
from pathlib import Path

from autoscaler.sandbox.agenda import Agenda, Backoff
from autoscaler.sandbox.controllers.work_queue import WorkQueue
from autoscaler.sandbox.errors import bad_request
from tests.sandbox.world import NAME, World, names

RECORDINGS = Path(__file__).parents[1] / "recordings"


def test_a_refusal_ends_the_look_before_the_pods_above() -> None:
    """8 asked for in a quota of 5, Parallel: pods are tried in batches of 1, 2, 4, so 7 never is.

    That is what was recorded (29): Events for the pods 5 and 6 alone.
    """
    world = World()
    world.allow_pods(5)
    world.create(8)
    assert world.ordinals() == [0, 1, 2, 3, 4]
    listed = json.loads((RECORDINGS / "29-events-failedcreate.json").read_text())["response"]["body"]
    expected = [event["message"].replace("airflow-worker", NAME) for event in listed["items"]]
    assert [event["message"] for event in world.events("FailedCreate")] == expected


def test_a_refusal_is_counted_in_one_event() -> None:
    """The same refusal again raises the count; all fields are as recorded."""
    world = World()
    world.allow_pods(1)
    world.create(2)
    (first,) = world.events("FailedCreate")
    world.advance(2)
    (last,) = world.events("FailedCreate")
    assert last["count"] > first["count"]
    assert first["firstTimestamp"] == last["firstTimestamp"] < last["lastTimestamp"]
    listed = json.loads((RECORDINGS / "29-events-failedcreate.json").read_text())["response"]["body"]
    real = listed["items"][0]
    assert set(real) <= set(last) | {"managedFields"}
    for field in ("type", "reason", "source", "reportingComponent", "reportingInstance", "eventTime"):
        assert last[field] == real[field]
    assert set(last["involvedObject"]) == set(real["involvedObject"])


def test_an_ordered_set_tells_of_its_first_refusal_alone() -> None:
    """One by one there is one pod to refuse at a time."""
    world = World()
    world.allow_pods(1)
    world.create(4, podManagementPolicy="OrderedReady")
    world.advance(10)
    (event,) = world.events("FailedCreate")
    assert f"Create Pod {NAME}-1 in" in event["message"]
    assert world.ordinals() == [0]


def test_the_status_is_told_in_spite_of_the_refusal() -> None:
    """As recorded (27): the spec says 8, the status stops at 5 and has seen the spec."""
    world = World()
    world.allow_pods(5)
    world.create(8)
    status = world.set()["status"]
    counts = ("replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas")
    assert [status[name] for name in counts] == [5] * 5
    assert status["observedGeneration"] == 1


def test_pods_follow_a_raised_quota_only_after_the_pause() -> None:
    """Nobody tells the controller that a quota was raised: it finds out at its next try, minutes later."""
    world = World()
    world.allow_pods(1)
    world.create(2)
    world.advance(400)
    tries = [world.seconds - (world.agenda.next_at or 0.0)]
    world.allow_pods(10)
    world.advance(100)
    assert world.ordinals() == [0], tries
    world.advance(1000)
    assert world.ordinals() == [0, 1]


def test_pauses_double_from_5_ms_to_1000_s() -> None:
    """client-go's rate limiter: 5 ms, 10 ms, … 655.36 s, then 1000 s for ever."""
    backoff = Backoff(0.005, 1000.0)
    pauses = [backoff.pause_seconds(failures) for failures in range(1, 20)]
    assert pauses[:3] == [0.005, 0.01, 0.02]
    assert pauses[17:] == [655.36, 1000.0]
    assert backoff.pause_seconds(10**6) == 1000.0


def test_a_success_forgets_the_failures() -> None:
    """After a look that went well the next failure pauses for the shortest time again."""
    world = World()
    world.allow_pods(1)
    world.create(2)
    world.advance(100)
    world.allow_pods(2)
    world.advance(200)
    assert world.ordinals() == [0, 1]
    world.scale(3)
    (failure,) = [event for event in world.events("FailedCreate") if f"{NAME}-2 " in event["message"]]
    world.advance(0.016)
    (failure,) = [event for event in world.events("FailedCreate") if f"{NAME}-2 " in event["message"]]
    assert failure["count"] == 3


def test_a_freed_place_is_filled_when_the_set_itself_changes() -> None:
    """A change of the set's own pods is looked at at once, whatever the pause."""
    world = World()
    world.allow_pods(2)
    world.create(3)
    world.advance(100)
    world.allow_pods(3)
    world.delete_pod(0)
    assert world.ordinals() == [0, 1, 2]


def test_a_refused_event_does_not_stop_the_pods() -> None:
    """Events are told as well as may be: when they are refused, the pods come all the same."""
    world = World()

    def admit(store: object, resource: str, obj: dict[str, object]) -> dict[str, object]:  # noqa: ARG001 - an admission plug-in's signature
        if resource == "events":
            raise bad_request("no events here")
        return obj

    world.store.admission.append(admit)
    world.create(2)
    assert names(world.pods()) == [f"{NAME}-0", f"{NAME}-1"]


def test_a_key_that_fails_comes_back_later_and_sooner_when_it_is_added() -> None:
    """The queue's own rules: pauses that grow, one waiting entry per key, an addition in between."""
    seconds = [0.0]
    agenda = Agenda(lambda: seconds[0])
    looks: list[float] = []

    def fail(key: str) -> None:  # noqa: ARG001 - there is one key
        looks.append(seconds[0])
        raise bad_request("no")

    queue = WorkQueue(agenda, fail, Backoff(1.0, 4.0))
    queue.add("a")
    queue.add("a")
    for second in range(14):
        seconds[0] = float(second)
        agenda.run_due()
    assert looks == [0.0, 1.0, 3.0, 7.0, 11.0]
    queue.add("a")
    agenda.run_due()
    assert looks[5:] == [13.0]
    seconds[0] = 15.0
    agenda.run_due()
    assert looks[6:] == [15.0]


def test_a_sooner_time_takes_the_place_of_a_later_one() -> None:
    """A key that is to be looked at later is looked at once, at the soonest time that was asked for."""
    seconds = [0.0]
    agenda = Agenda(lambda: seconds[0])
    looks: list[float] = []
    queue: WorkQueue[str] = WorkQueue(agenda, lambda _: looks.append(seconds[0]), Backoff(1.0, 4.0))
    queue.add_after("a", 5)
    queue.add_after("a", 2)
    queue.add_after("a", 9)
    for second in range(12):
        seconds[0] = float(second)
        agenda.run_due()
    assert looks == [2.0]
