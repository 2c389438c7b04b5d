"""What follows from others' writes: what is told, what is kept, and when we yield."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.decide import decide
from autoscaler.core.foreign import notices
from autoscaler.core.history import History
from autoscaler.core.limits.view import View
from autoscaler.core.limits.writers import contention, manual
from autoscaler.core.model import TargetRef, unknown
from autoscaler.core.others import FIGHT_SECONDS, RECENT, WRITES_TOLD, Others, Write
from autoscaler.core.writers import NOBODY, Writer
from tests.builders import (
    NOW,
    TARGET,
    annotated,
    depth,
    later,
    pods,
    policy,
    reasons,
    rules,
    snapshot,
    worker,
)

HELM = Writer("helm", "Apply", written_at=NOW)
SCALE = Writer("kubectl", "Update", "scale")
HPA = Writer("kube-controller-manager", "Update", "scale")
OURS = Writer("autoscaler", "Update", "scale")
GRACE = 600.0


def told(write: Write, seen=None, before: Others | None = None):
    """Return what is told of a write at second 1000, and the memory after it."""
    seen = snapshot(write.after) if seen is None else seen
    before = Others(write.before) if before is None else before
    after = before.wrote(seen.at, write, GRACE)
    return notices(write, seen, before, after), after


def test_a_foreign_lowering_is_told_with_its_author_and_whom_it_ends():
    """Ten workers, all at work, put back to one by Helm: nine end, and not by our doing."""
    names = [f"worker-{n}" for n in range(10)]
    seen = replace(snapshot(10), crew=tuple(worker(name, active=1) for name in names))
    seen = replace(seen, workers=replace(seen.workers, replicas=1))
    ((notice,), after) = told(Write(10, 1, HELM), seen)
    assert (notice.reason, notice.warning, notice.pods) == ("ForeignWrite", True, tuple(names[1:]))
    assert notice.message == (
        'replicas 10 → 1 by Helm (field manager "helm", server-side apply), which ends 9 workers by SIGTERM, '
        "9 of them at work: worker-1, worker-2, worker-3 and 6 more; answered by what the demand asks for"
    )
    assert (after.standing, after.ours, after.hold) == (1, False, None)


@pytest.mark.parametrize(
    ("write", "warning", "words"),
    [
        (Write(4, 2, SCALE), True, "which ends 2 workers by SIGTERM; kept for 600 s, neither more nor fewer"),
        (
            Write(2, 4, SCALE),
            False,
            'scale (field manager "kubectl", Update of scale); kept for 600 s, no fewer',
        ),
        (Write(2, 4), False, "by somebody; answered by what the demand asks for"),
        (Write(4, 3, Writer("keda", "Update", "scale")), True, "by KEDA"),
    ],
)
def test_a_foreign_write_is_told_with_its_answer(write, warning, words):
    """A person's number is kept, anybody else's is answered from the demand."""
    ((notice,), _) = told(write, replace(snapshot(4), crew=()))
    assert (notice.reason, notice.warning) == ("ForeignWrite", warning)
    assert words in notice.message


def test_of_a_deployment_it_is_not_known_whom_a_lowering_ends():
    """Only how many."""
    seen = replace(snapshot(4), target=TargetRef("data", "worker", "Deployment"))
    free = tuple(replace(pod, place=None) for pod in seen.workers.pods)
    ((notice,), _) = told(Write(4, 1, HELM), replace(seen, workers=replace(seen.workers, pods=free)))
    assert "which ends 3 workers of the Deployment's choice" in notice.message
    assert (notice.pods, notice.warning) == ((), True)


@pytest.mark.parametrize(
    ("orders", "answer"),
    [
        ({"paused": "true"}, "; left as it is: paused by annotation"),
        ({"paused_replicas": "3"}, "; not kept: paused-replicas is 3 by annotation"),
        ({"paused": "true", "paused_replicas": "3"}, "; not kept: paused-replicas is 3 by annotation"),
        ({"min_replicas": "3"}, "; answered by what the demand asks for"),
        ({"exclude": "true"}, None),
    ],
)
def test_a_write_is_told_with_what_annotations_make_of_it(orders, answer):
    """Nothing that is not going to happen is promised; what is left alone is nobody's news."""
    answers, _ = told(Write(4, 2, HELM), annotated(snapshot(4), **orders))
    assert [notice.message.endswith(str(answer)) for notice in answers] == [True] * (answer is not None)


def test_a_deploy_over_a_persons_number_is_told_with_that():
    """It is not the demand alone that answers it."""
    before = Others(2).wrote(990.0, Write(2, 5, SCALE), GRACE)
    ((notice,), _) = told(Write(5, 1, HELM), snapshot(5), before)
    assert notice.message.endswith("; answered by the demand, and the 5 that kubectl scale asked for")


def test_each_writer_is_told_for_itself():
    """What one does again and again keeps nobody from hearing of another, nor for longer than it lasts."""
    others = Others(5)
    for at in range(WRITES_TOLD + 1):
        assert not others.frequent(float(at), HELM)
        others = others.wrote(float(at), Write(5, 1 + at % 2, HELM), GRACE)
    assert (others.frequent(20.0, HELM), others.frequent(20.0, NOBODY)) == (True, False)
    assert notices(Write(1, 2, HELM), snapshot(2, at=20.0), others, others) == ()
    assert not others.frequent(FIGHT_SECONDS, HELM)
    for at in range(1000):
        others = others.wrote(float(at) / 10, Write(5, 1 + at % 2, SCALE), GRACE)
    assert len(others.recent) == RECENT


@pytest.mark.parametrize("kind", ["StatefulSet", "Deployment"])
def test_a_lowering_that_ends_nobody_does_not_warn(kind):
    """There were no pods yet, so none is said to end."""
    seen = replace(snapshot(0), target=TargetRef("data", "worker", kind))
    ((notice,), _) = told(Write(4, 0, HELM), seen)
    assert (notice.warning, "SIGTERM" in notice.message) == (False, False)


def test_few_at_work_are_all_named():
    """And those of whom nothing is known are not called busy."""
    seen = replace(snapshot(3), crew=(worker("worker-2", active=1), worker("worker-1")))
    ((notice,), _) = told(Write(3, 0, HELM), seen)
    assert "ends 3 workers by SIGTERM, 1 of them at work: worker-2;" in notice.message


def test_our_own_late_write_is_no_news():
    """A patch that was taken though its answer was lost: the record has our name."""
    assert told(Write(1, 5, OURS)) == ((), Others(5, ours=True))


def test_an_hpa_is_told_once_until_it_has_been_quiet():
    """It may write every few seconds; what it does is one thing to know."""
    ((notice,), after) = told(Write(2, 5, HPA))
    assert (notice.reason, notice.warning) == ("HpaWrite", True)
    assert "let one of them do it" in notice.message
    seen = later(snapshot(6), 1700.0)
    (again, after) = told(Write(5, 6, HPA), seen, after)
    assert again == ()
    ((much_later,), _) = told(Write(6, 7, HPA), later(seen, 1801.0), after)
    assert much_later.reason == "HpaWrite"


def fight(writer: Writer, times: list[float], grace: float = GRACE) -> tuple[Others, list[list[str]]]:
    """Return the memory after a writer has reversed us at these times, and the reasons told each time."""
    others, reasons_told = Others(5), []
    for at in times:
        before = others.asked(5)
        write = Write(5, 1, writer)
        others = before.wrote(at, write, grace)
        seen = replace(snapshot(1), at=at)
        reasons_told.append([notice.reason for notice in notices(write, seen, before, others)])
    return others, reasons_told


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([0.0, 10.0, 20.0], 0.0),
        ([0.0, 10.0, 20.0, 30.0], 60.0),
        ([0.0, 200.0, 400.0, 599.0], 60.0),
        ([0.0, 200.0, 400.0, 601.0], 0.0),
        ([0.0, 10.0, 20.0, 30.0, 95.0], 120.0),
        ([0.0, 10.0, 20.0, 30.0, 95.0, 220.0], 240.0),
        ([0.0, 10.0, 20.0, 30.0, 95.0, 220.0, 470.0], 480.0),
        ([0.0, 10.0, 20.0, 30.0, 95.0, 220.0, 470.0, 960.0], 900.0),
        ([0.0, 10.0, 20.0, 30.0, 95.0, 220.0, 470.0, 960.0, 1870.0], 900.0),
        ([0.0, 10.0, 20.0, 30.0, 1830.0], 120.0),
        ([0.0, 10.0, 20.0, 30.0, 1831.0], 0.0),
    ],
)
def test_who_reverses_us_again_and_again_is_yielded_to(times, seconds):
    """Three times in ten minutes are answered; each time more doubles the pause, until there is quiet."""
    others, reasons_told = fight(HELM, times)
    rival = others.fighting(times[-1])
    assert (0.0 if rival is None else rival.until - times[-1]) == seconds
    assert (reasons_told[-1] == ["ForeignWrite", "FightingWriter"]) is bool(seconds)
    if rival is not None:
        assert others.fighting(rival.until) is None


@pytest.mark.parametrize(
    ("times", "often"),
    [([0.0, 10.0, 20.0, 30.0], " 4 times within 10 minutes: "), ([0.0, 10.0, 20.0, 30.0, 700.0], " again: ")],
)
def test_a_fight_is_told_with_how_often_it_was_reversed(times, often):
    """The first time; later on one more reversal is enough."""
    others, _ = fight(HELM, times[:-1])
    before, write = others.asked(5), Write(5, 1, HELM)
    after = before.wrote(times[-1], write, GRACE)
    (_, notice) = notices(write, replace(snapshot(1), at=times[-1]), before, after)
    assert f"has reversed what was asked for{often}" in notice.message


def test_writers_that_do_not_reverse_us_are_no_rivals():
    """They write again and again, and each time nobody else had written since."""
    others = Others(5)
    for at in range(10):
        others = others.wrote(float(at), Write(5, 1 + at, HELM), GRACE)
    assert others.rivals == ()


def test_each_rival_is_counted_by_itself():
    """Two deploys of one tool and two of another are no fight."""
    others = Others(5)
    for at, writer in enumerate((HELM, NOBODY) * 3):
        others = others.asked(5).wrote(float(at), Write(5, 1, writer), GRACE)
    assert [len(rival.reversals) for rival in others.rivals] == [3, 3]
    assert others.fighting(10.0) is None
    others = others.asked(5).wrote(11.0, Write(5, 1, NOBODY), GRACE)
    rival = others.fighting(12.0)
    assert rival is not None
    assert rival.writer == NOBODY
    assert others.asked(5).wrote(4000.0, Write(5, 1, HELM), GRACE).rivals[0].reversals == (4000.0,)


def view(replicas: int, others: Others, at: float = 1000.0, most: int = 10) -> View:
    """Return what a limit looks at."""
    seen = snapshot(replicas, at=at)
    return View(seen, policy(most=most), replace(History.seeded(0.0, replicas), others=others), None)


@pytest.mark.parametrize(
    ("before", "after", "current", "proposed", "kept"),
    [
        (5, 0, 0, 7, 0),  # to zero: it is meant
        (5, 2, 2, 7, 2),  # lowered: no more,
        (5, 2, 2, 0, 2),  # and no fewer
        (2, 5, 5, 0, 5),  # raised: no fewer,
        (2, 5, 5, 7, None),  # but the demand may bring more
        (2, 5, 5, 5, None),
        (2, 5, 1, 1, 5),  # a deploy in between is put right
        (5, 2, 8, 8, None),  # somebody has raised it since: that comes down as the demand lets it,
        (5, 2, 8, 4, None),
        (5, 2, 8, 1, 2),  # but not below
        (5, 2, 8, 9, 8),
        (2, 20, 20, 3, 20),  # beyond the maximum it is left,
        (2, 20, 1, 3, 10),  # and not brought about
    ],
)
def test_a_persons_number_is_kept(before, after, current, proposed, kept):
    """For the grace time, in both directions where it was lowered, and as a floor where it was raised."""
    others = Others(before).wrote(1000.0, Write(before, after, SCALE), GRACE)
    step = manual(proposed, view(current, others, at=1599.0))
    assert (None if step is None else step.replicas) == kept
    assert manual(proposed, view(current, others, at=1600.0)) is None
    if step is not None:
        assert step.reason == "ManualReplicas"
        expected = f"kubectl scale asked for {after}: kept until 13:56:40 UTC (manual_grace_seconds)"
        assert step.message == expected


def test_a_number_ordered_by_annotation_goes_before_a_persons():
    """It is the plainer order, and the docs promise it at once; whatever the person did just before."""
    history = History.seeded(0.0, 5).overwritten(990.0, Write(5, 0, SCALE), policy())
    ordered = annotated(snapshot(0, depth(9)), paused_replicas="3")
    assert decide(ordered, policy(), history).replicas == 3


@pytest.mark.parametrize(("current", "kept"), [(1, 4), (9, 9)])
def test_a_persons_number_brings_nobody_whom_the_database_cannot_take(current, kept):
    """What a person has asked for is left; after a deploy no more are called than have connections."""
    held = replace(policy(), max_db_connections=8, db_connections_per_worker=2)
    history = History.seeded(0.0, 2).overwritten(990.0, Write(2, 9, SCALE), held)
    if current == 1:
        history = history.overwritten(995.0, Write(9, 1, HELM), held)
    assert decide(snapshot(current, depth(1)), held, history).replicas == kept


def test_no_grace_keeps_nothing():
    """With 0 a person's write is answered as anybody's; the number kept before is given up."""
    assert Others(5).wrote(0.0, Write(5, 1, SCALE), 0.0).kept(0.0) is None


@pytest.mark.parametrize(
    ("writer", "left"),
    [
        (Writer("kubectl-edit", written_at=NOW - 100.0), 500.0),
        (Writer("kubectl-edit", written_at=NOW + 50.0), 600.0),  # by a clock that is ahead
        (Writer("kubectl-edit", written_at=NOW - 600.0), None),
        (Writer("Mozilla", written_at=NOW - 100.0, created=True), None),  # nobody has scaled it yet
        (SCALE, None),
        (replace(HELM, written_at=NOW), None),
    ],
)
def test_after_a_restart_a_dated_number_is_kept_for_the_rest_of_its_time(writer, left):
    """What the record does not date is forgotten."""
    hold = Others(3).resumed(1000.0, NOW, writer, GRACE).kept(1000.0)
    assert (None if hold is None else (hold.replicas, hold.exact, hold.until - 1000.0)) == (
        None if left is None else (3, True, left)
    )


@pytest.mark.parametrize(("current", "proposed", "kept"), [(1, 7, 1), (0, 7, 0), (7, 1, 7), (3, 3, None)])
def test_while_yielding_their_number_is_left_alone(current, proposed, kept):
    """In both directions and from zero: it is never we who end a worker then."""
    others, _ = fight(HELM, [0.0, 10.0, 20.0, 30.0])
    step = contention(proposed, view(current, others, at=31.0))
    assert (None if step is None else step.replicas) == kept
    if step is not None:
        assert step.reason == "FightingWriter"
        assert "Helm has reversed this again and again" in step.message
    assert contention(proposed, view(current, others, at=90.0)) is None


@pytest.mark.parametrize("rate", [pods(1), pods(4)])
@pytest.mark.parametrize("window", [0.0, 300.0])
def test_what_a_deploy_took_is_restored_at_once(rate, window):
    """Neither the windows nor the rates, which count from what was there before, hold it up."""
    held = policy(up=rules(window, rates=(rate,)), down=rules(window, rates=(rate,)))
    seen = snapshot(10, depth(unacked=10), at=1000.0)
    history = History.seeded(500.0, 10)
    history = history.record(decide(seen, held, history), held)
    reset = later(seen, 1.0, replicas=1)
    decision = decide(reset, held, history.overwritten(1001.0, Write(10, 1, HELM), held))
    assert (decision.replicas, reasons(decision)) == (10, ("WorkWaiting",))


def test_the_limits_are_part_of_the_decision():
    """A person's zero outlasts the demand, and a fallback for one that is unknown."""
    held = policy()
    history = History.seeded(0.0, 5).overwritten(990.0, Write(5, 0, SCALE), held)
    assert reasons(decide(snapshot(0, depth(9)), held, history)) == ("WorkWaiting", "ManualReplicas")
    blind = decide(snapshot(0, unknown("redis", "silent")), held, history)
    assert (blind.replicas, blind.target) == (0, TARGET)


WRITERS = st.sampled_from([HELM, SCALE, HPA, OURS, NOBODY])


@given(
    st.lists(st.tuples(st.floats(0.1, 400.0), st.integers(0, 9), WRITERS, st.booleans()), max_size=20),
    st.integers(0, 12),
    st.integers(0, 12),
)
def test_whatever_others_write_nothing_is_lowered_for_its_sake(writes, current, proposed):
    """Neither limit goes below both what is there and what was proposed."""
    at, others = 0.0, Others(5)
    for pause, after, writer, ours in writes:
        at += pause
        others = others.asked(5) if ours else others
        others = others.wrote(at, Write(others.standing, after, writer), GRACE)
    looked_at = view(current, others, at=at + 1.0)
    for limit in (manual, contention):
        step = limit(proposed, looked_at)
        if step is not None:
            assert step.replicas >= min(current, proposed)
            assert step.replicas <= max(current, proposed, 10)
