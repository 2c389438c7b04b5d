"""What annotations order, and what is wrong with those that order nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Decision, Reading, stale, unknown
from autoscaler.core.override_notices import Heard
from autoscaler.core.overrides import NOTHING_ORDERED, PREFIX, Key, Override, parse
from autoscaler.core.policy import DrainRules, Fallback, FallbackMode, Policy
from autoscaler.core.rfc3339 import seconds_of
from autoscaler.core.snapshot import Snapshot
from tests.builders import NOW, annotated, cordon, depth, later, policy, reasons, rules, snapshot, worker

EVENING = "2026-11-24T18:00:00Z"


@pytest.mark.parametrize(
    ("key", "value", "replicas", "until"),
    [
        ("paused", "true", 0, ""),
        ("paused", "True", 0, ""),
        ("paused", "  yes ", 0, ""),
        ("paused", "on", 0, ""),
        ("paused", "1", 0, ""),
        ("paused", f"true until {EVENING}", 0, EVENING),
        ("paused", f" true\tUNTIL\n{EVENING} ", 0, EVENING),
        ("paused-scale-in", "true", 0, ""),
        ("exclude", "true until 2026-11-24T19:00:00+01:00", 0, "2026-11-24T19:00:00+01:00"),
        ("max-replicas", "3", 3, ""),
        ("max-replicas", "003", 3, ""),
        ("min-replicas", "0", 0, ""),
        ("min-replicas", "2147483647", 2**31 - 1, ""),
        ("paused-replicas", f"7 until {EVENING}", 7, EVENING),
    ],
)
def test_what_is_understood(key: str, value: str, replicas: int, until: str):
    """A value, for good or until a time."""
    ends = seconds_of(EVENING) if until else None
    assert parse({PREFIX + key: value}).declared == (Override(Key(key), replicas, ends, until),)
    assert parse({PREFIX + key: value}).problems == ()


@pytest.mark.parametrize("value", ["false", "False", "no", "off", "0", " false "])
def test_what_says_no_is_as_if_it_was_not_there(value: str):
    """Without a problem."""
    assert parse({"autoscaler/paused": value, "autoscaler/exclude": value}) == NOTHING_ORDERED


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("paused", "ture", "'ture' is neither true nor false"),
        ("paused", "", """'' is neither a value, such as "true", nor "true until TIME\""""),
        ("paused", "true until", """'true until' is neither a value, such as "true", nor"""),
        ("paused", f"true {EVENING}", 'nor "true until TIME"'),
        ("paused", f"true till {EVENING}", 'nor "true until TIME"'),
        ("paused", f"until {EVENING}", 'nor "true until TIME"'),
        ("paused", "true until tomorrow", "'tomorrow' is not a time such as 2026-11-24T18:00:00Z"),
        ("paused", "true until 2026-11-24T18:00:00", "'2026-11-24T18:00:00' has no offset: write"),
        ("paused", "true until 2026-11-31T18:00:00Z", "is a time that there is not"),
        ("paused", f"false until {EVENING}", "takes no time: nothing is ordered that could end"),
        ("paused", "3", "'3' is neither true nor false"),
        ("max-replicas", "three", "'three' is not a number of replicas, such as 3"),
        ("max-replicas", "true", "'true' is not a number"),
        ("max-replicas", "-1", "'-1' is not a number"),
        ("max-replicas", "+3", "'+3' is not a number"),
        ("max-replicas", "3.0", "'3.0' is not a number"),
        ("max-replicas", "٣", "'٣' is not a number"),
        ("max-replicas", "²", "'²' is not a number"),
        ("max-replicas", "2147483648", "'2147483648' is not a number"),
        ("max-replicas", "9" * 5000, f"'{'9' * 60}…' is not a number"),
        ("max-replicas", "", """'' is neither a value, such as "3", nor "3 until TIME\""""),
        ("paused", "a\x1b]31m\nb", r"'a\x1b]31m\nb' is neither a value"),
        ("pause", "true", "there is no such annotation; did you mean autoscaler/paused?"),
        ("maxReplicas", "3", "did you mean autoscaler/max-replicas?"),
        ("paused_replicas", "3", "did you mean autoscaler/paused-replicas?"),
        ("paused-scale-out", "true", "there are exclude, paused, paused-replicas, paused-scale-in, min-"),
        ("", "true", "there are exclude, "),
    ],
)
def test_what_is_not_understood_is_told_with_its_name_and_reason(key: str, value: str, why: str):
    """And orders nothing."""
    found = parse({PREFIX + key: value})
    assert found.declared == ()
    (problem,) = found.problems
    assert problem.startswith(f"{PREFIX}{key}: ")
    assert problem.endswith(": it is ignored")
    assert why in problem
    assert problem.isprintable()


@given(
    st.dictionaries(
        st.one_of(st.sampled_from([PREFIX + key for key in Key]), st.text(max_size=20).map(PREFIX.__add__)),
        st.one_of(st.text(max_size=40), st.from_regex(r"(true|3)( until \d{4}-\d\d-\d\dT18:00:00Z)?")),
    )
)
def test_no_annotation_breaks_anything(annotations: dict[str, str]):
    """Each of them orders something, says no, or is told about."""
    found = parse(annotations)
    assert len(found.declared) + len(found.problems) <= len(annotations)
    assert all(len(problem) < 400 for problem in found.problems)


def test_other_annotations_are_none_of_ours():
    """Nor is an object without any."""
    assert parse({"deployment.kubernetes.io/revision": "1", "paused": "true"}) == NOTHING_ORDERED
    assert parse(None) == NOTHING_ORDERED


def test_when_an_annotation_ends():
    """At its time it is as if it was not there; the others stay."""
    found = parse({"autoscaler/paused": f"true until {EVENING}", "autoscaler/max-replicas": "3"})
    evening = seconds_of(EVENING)
    assert found.at(evening - 0.1).declared == found.declared
    assert [one.key for one in found.at(evening).declared] == [Key.MAX_REPLICAS]


def decided(seen: Snapshot, by: Policy | None = None) -> Decision:
    """Decide for a target that has long been at its size, and whose windows and rates limit nothing."""
    return decide(seen, by or policy(), History.seeded(seen.at - 10_000, seen.workers.replicas))


@pytest.mark.parametrize(
    ("replicas", "tasks", "annotations", "wanted", "why"),
    [
        (5, 9, {"paused": "true"}, 5, "paused by annotation: it stays at 5"),
        (5, 0, {"paused": "true"}, 5, "paused by annotation: it stays at 5"),
        (0, 9, {"paused": "true"}, 0, "paused by annotation: it stays at 0"),
        (30, 9, {"paused": "true"}, 30, "it stays at 30"),
        (5, 9, {"paused_replicas": "7"}, 7, "paused-replicas is 7 by annotation"),
        (5, 9, {"paused_replicas": "2"}, 2, "paused-replicas is 2 by annotation"),
        (5, 9, {"paused_replicas": "0"}, 0, "paused-replicas is 0 by annotation"),
        (0, 0, {"paused_replicas": "4"}, 4, "paused-replicas is 4 by annotation"),
        (5, 9, {"paused_replicas": "50"}, 20, "paused-replicas is 50 by annotation, but the maximum is 20"),
        (5, 9, {"paused": "true", "paused_replicas": "7"}, 7, "paused-replicas is 7 by annotation"),
        (5, 9, {"paused_replicas": "7", "max_replicas": "3"}, 7, "paused-replicas is 7 by annotation"),
        (5, 9, {"paused_scale_in": "true"}, 9, "WorkWaiting"),
        (5, 0, {"paused_scale_in": "true"}, 5, "paused-scale-in by annotation: nothing shrinks"),
        (5, 9, {"paused_scale_in": "true", "paused_replicas": "2"}, 5, "nothing shrinks"),
        (5, 9, {"paused_scale_in": "true", "max_replicas": "3"}, 5, "nothing shrinks"),
        (5, 9, {"exclude": "true"}, 5, "excluded by annotation: it is left alone"),
        (5, 0, {"exclude": "true"}, 5, "excluded by annotation: it is left alone"),
        (5, 9, {"exclude": "true", "paused_replicas": "7"}, 5, "excluded by annotation: it is left alone"),
        (30, 9, {"exclude": "true"}, 30, "excluded by annotation: it is left alone"),
        (1, 9, {"max_replicas": "3"}, 3, "max-replicas is 3 by annotation"),
        (1, 90, {"max_replicas": "50"}, 20, "max_replicas is 20"),
        (0, 0, {"min_replicas": "4"}, 4, "min-replicas is 4 by annotation"),
        (0, 0, {"min_replicas": "50"}, 20, "min-replicas is 50 by annotation, but the maximum is 20"),
        (0, 0, {"min_replicas": "4", "max_replicas": "3"}, 3, "min-replicas is 4 by annotation, but the max"),
        (5, 0, {"max_replicas": "0"}, 0, "NoWork"),
        (0, 90, {"min_replicas": "4"}, 20, "max_replicas is 20"),
        (0, 9, {"paused": "false"}, 9, "WorkWaiting"),
        (0, 9, {"paused": "ture"}, 9, "WorkWaiting"),
        (0, 9, {"paused": "true until 1970-01-12T13:46:40Z"}, 9, "WorkWaiting"),
        (0, 9, {"paused": "true until 1970-01-12T13:46:41Z"}, 0, "until 1970-01-12T13:46:41Z: it stays at 0"),
    ],
)
def test_what_each_of_them_does(replicas, tasks, annotations, wanted, why):
    """On a target of 0 to 20 workers, all of them idle, with so many tasks that wait."""
    decision = decided(annotated(snapshot(replicas, depth(tasks)), **annotations), policy(most=20))
    assert decision.replicas == wanted
    last = decision.steps[-1]
    assert why in (last.reason, last.message) or last.message.endswith(why) or why in last.message


def test_a_maximum_that_is_ordered_goes_before_the_configured_minimum():
    """Somebody brings it to two, whatever the configuration keeps."""
    decision = decided(annotated(snapshot(0), max_replicas="2"), policy(least=4, most=20))
    assert (decision.replicas, decision.steps[-1].message) == (2, "max-replicas is 2 by annotation")
    unaffected = decided(annotated(snapshot(0), max_replicas="9"), policy(least=4, most=20))
    assert (unaffected.replicas, unaffected.steps[-1].message) == (4, "min_replicas is 4")


@pytest.mark.parametrize(
    ("annotations", "wanted"),
    [
        ({"paused": "true"}, 2),
        ({"paused_replicas": "4"}, 4),
        ({"paused_replicas": "0"}, 2),
        ({"exclude": "true"}, 2),
        ({"min_replicas": "3"}, 9),
        ({"max_replicas": "5"}, 5),
    ],
)
@pytest.mark.parametrize("mode", [FallbackMode.STATIC, FallbackMode.AT_LEAST])
def test_a_fallback_keeps_to_what_is_ordered(mode, annotations, wanted):
    """The demand has long been unknown: nothing shrinks on that, and nine would be fallen back to."""
    held = replace(policy(most=20), fallback=Fallback(mode, 9, 5.0))
    silent: Reading = unknown("redis", "no answer")
    assert decided(annotated(snapshot(2, silent), **annotations), held).replicas == wanted


@pytest.mark.parametrize("annotations", [{"paused_replicas": "0"}, {"max_replicas": "0"}])
def test_zero_that_is_ordered_is_zero(annotations):
    """What holds the last worker elsewhere does not hold it here: tasks that are not due wait anyway."""
    seen = snapshot(1, depth(0, eta=(NOW + 5_000.0,)))
    assert seen.broker.value is not None
    blurred = replace(seen.broker.value.queues[0], eta_known=False)
    held = replace(seen, broker=replace(seen.broker, value=replace(seen.broker.value, queues=(blurred,))))
    assert decided(held).reason == "TasksNotDue"
    assert decided(annotated(held, **annotations)).replicas == 0


def test_what_is_ordered_waits_neither_for_windows_nor_for_rates():
    """The demand's own way down would take an hour."""
    held = policy(down=rules(window=3600))
    history = History.seeded(990.0, 9)
    seen = annotated(snapshot(9, depth(9)), paused_replicas="2")
    assert decide(seen, held, history).replicas == 2
    assert decide(annotated(snapshot(9, depth(9)), max_replicas="2"), held, history).replicas == 2


@pytest.mark.parametrize(
    "annotations", [{"paused": "true"}, {"exclude": "true"}, {"paused_scale_in": "true"}]
)
def test_the_demand_is_remembered_while_it_is_not_followed(annotations):
    """When the order ends, it is as if there had been none: the window has passed meanwhile."""
    held = policy(down=rules(window=60))
    history = History.seeded(1000.0, 5)
    for second in range(1, 62):
        seen = annotated(later(snapshot(5), second), **annotations)
        decision = decide(seen, held, history)
        assert (decision.replicas, decision.proposal) == (5, 0)
        history = history.record(decision, held)
    assert decide(later(snapshot(5), 62.0), held, history).replicas == 0


def test_resumed_within_the_window_what_was_asked_for_counts():
    """Nine were asked for a moment ago: it grows at once, and shrinks no sooner than without the pause."""
    held = policy(down=rules(window=60))
    history = History.seeded(900.0, 5)
    decision = decide(annotated(snapshot(5, depth(9)), paused="true"), held, history)
    history = history.record(decision, held)
    assert (decision.replicas, decision.proposal, reasons(decision)[-1]) == (5, 9, "Paused")
    assert decide(later(snapshot(5, depth(9)), 1.0), held, history).replicas == 9
    assert decide(later(snapshot(5), 59.0), held, history).replicas == 5
    assert decide(later(snapshot(5), 61.0), held, history).replicas == 0


@pytest.mark.parametrize(
    ("annotations", "problems"),
    [
        ({"max_replicas": "20", "min_replicas": "20", "paused_replicas": "20"}, []),
        ({"max_replicas": "21"}, ["max-replicas: 21 is more than max_replicas = 20 of the configuration"]),
        ({"min_replicas": "21"}, ["min-replicas: 21 is more than max_replicas = 20 of the configuration"]),
        ({"paused_replicas": "21"}, ["paused-replicas: 21 is more than max_replicas = 20"]),
        (
            {"max_replicas": "2", "min_replicas": "3"},
            ["min-replicas: 3 is more than autoscaler/max-replicas: 2, which holds"],
        ),
        ({"paused": "true", "exclude": "true"}, []),
    ],
)
def test_what_contradicts_is_told(annotations, problems):
    """The configured maximum holds, then the maximum that is ordered."""
    told = annotated(snapshot(), **annotations).overrides.contradictions(20)
    assert len(told) == len(problems)
    for sentence, words in zip(told, problems, strict=True):
        assert sentence.startswith(f"{PREFIX}{words}")


def notices(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str, bool]]:
    """Return what is told when annotations change."""
    old, new = (Heard.of(annotated(snapshot(), **named), policy(most=20)) for named in (before, after))
    return [(notice.reason, notice.message, notice.warning) for notice in new.since(old)]


def test_what_begins_and_ends_is_told_once():
    """With what is ordered by then."""
    paused, most = {"paused": "true"}, {"max_replicas": "3"}
    assert notices({}, paused | most) == [
        ("OverrideBegan", "max-replicas is 3 by annotation", False),
        ("OverrideBegan", "paused by annotation", False),
    ]
    assert notices(paused, paused) == []
    assert notices(paused, {}) == [("OverrideEnded", "no longer: paused by annotation", False)]
    assert notices(most, {"max_replicas": "4"}) == [
        ("OverrideBegan", "max-replicas is 4 by annotation", False)
    ]
    assert notices(paused, {"paused": "true until 1970-01-01T00:00:00Z"}) == [
        ("OverrideEnded", "no longer: paused by annotation", False)
    ]


def test_what_is_ignored_is_told_once_for_each_value():
    """As a warning: somebody believes it to have an effect."""
    slip = {"paused": "ture"}
    ((reason, message, warning),) = notices({}, slip)
    assert (reason, warning) == ("OverrideIgnored", True)
    assert "'ture' is neither true nor false" in message
    assert notices(slip, slip) == []
    assert len(notices(slip, {"paused": "treu"})) == 1
    assert [reason for reason, *_ in notices({}, {"max_replicas": "99"})] == [
        "OverrideBegan",
        "OverrideIgnored",
    ]


@pytest.mark.parametrize("key", ["paused", "exclude", "paused_scale_in"])
@pytest.mark.parametrize("quality", ["fresh", "stale", "unknown"])
def test_what_was_taken_is_given_back_whatever_the_broker_says(key, quality):
    """Two of four were to go; a broker that blinks, which leaves drains as they are, changes nothing."""
    crew = tuple(worker(f"worker-{n}", cordoned=n > 1) for n in range(4))
    cordons = (cordon("worker-2", NOW - 5.0), cordon("worker-3", NOW - 5.0))
    seen = annotated(snapshot(4, depth(1), crew=crew, cordons=cordons), **{key: "true"})
    brokers: dict[str, Reading] = {
        "fresh": seen.broker,
        "stale": stale(seen.broker.value, "redis", 3.0, "no answer"),
        "unknown": unknown("redis", "no answer"),
    }
    decision = decided(replace(seen, broker=brokers[quality]))
    assert [(order.pod, order.consume) for order in decision.orders] == [
        ("worker-2", True),
        ("worker-3", True),
    ]
    assert all(one.giving_back and one.since is None for one in decision.cordons)


@pytest.mark.parametrize("key", ["paused", "exclude", "paused_scale_in"])
def test_a_worker_that_is_about_to_be_ended_keeps_its_cordon(key):
    """The replicas are lowered already: given a task now, it would be told to end with it."""
    seen = snapshot(3, depth(1), cordons=(cordon("worker-2", NOW - 5.0),))
    lowered = replace(seen, workers=replace(seen.workers, replicas=1))
    decision = decided(annotated(lowered, **{key: "true"}))
    assert decision.cordons == lowered.cordons
    assert decision.orders == ()


def test_a_pause_that_ends_goes_on_with_the_drain():
    """Whoever was to go is told so again."""
    held = replace(policy(), drain=DrainRules(placement=False))
    crew = tuple(worker(f"worker-{n}", cordoned=False) for n in range(2))
    seen = snapshot(2, depth(1), crew=crew, cordons=())
    assert decided(annotated(seen, paused="true"), held).orders == ()
    assert [order.pod for order in decided(seen, held).orders] == ["worker-1"]
