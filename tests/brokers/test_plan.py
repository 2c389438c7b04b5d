from __future__ import annotations

from autoscaler.brokers.plan import plan
from autoscaler.config.broker import BrokerSettings
from autoscaler.core.model import TargetRef
from autoscaler.ports import DepthQuery


def query(name: str, *queues: str, broker: BrokerSettings | None = None) -> DepthQuery:
    """Return one target's query."""
    return DepthQuery(TargetRef("ns", name), queues, broker or BrokerSettings())


def test_a_queue_is_counted_in_the_lists_of_all_its_priorities() -> None:
    """Step 0 is the base key, every other step a list of its own, and unacked comes beside."""
    planned = plan([query("a", "default")])
    assert planned.commands == (
        ("LLEN", "default"),
        ("LLEN", "default\x06\x163"),
        ("LLEN", "default\x06\x166"),
        ("LLEN", "default\x06\x169"),
        ("HLEN", "unacked"),
    )
    assert planned.parts[0].queues == (("default", ((0, 0), (3, 1), (6, 2), (9, 3))),)
    assert planned.parts[0].unacked == 4


def test_prefix_separator_and_steps_are_the_targets_own() -> None:
    """The base key is read even where the steps lack 0, and a step named twice is read once."""
    broker = BrokerSettings(global_keyprefix="app:", sep=":", priority_steps=(5, 1, 5))
    planned = plan([query("a", "q", broker=broker)])
    assert planned.commands == (
        ("LLEN", "app:q"),
        ("LLEN", "app:q:5"),
        ("LLEN", "app:q:1"),
        ("HLEN", "app:unacked"),
    )


def test_a_key_is_asked_for_once() -> None:
    """However many targets or queues want it."""
    planned = plan([query("a", "q", "q", "r"), query("b", "q"), query("a", "r")])
    assert len(planned.commands) == len(set(planned.commands)) == 9
    assert planned.parts[0].queues[0] == planned.parts[1].queues[0]
    assert [queue for queue, _ in planned.parts[0].queues] == ["q", "r"]


def test_unacked_is_shared_between_targets_with_one_prefix() -> None:
    """It is not shared by two queries of one target, nor across prefixes."""
    other = BrokerSettings(global_keyprefix="x")
    shared = [
        part.shared for part in plan([query("a", "q"), query("b", "r"), query("c", "q", broker=other)]).parts
    ]
    assert shared == [True, True, False]
    assert [part.shared for part in plan([query("a", "q"), query("a", "r")]).parts] == [False, False]


def test_no_queries_need_no_commands() -> None:
    """Nothing asked, nothing sent."""
    assert plan([]).commands == ()
