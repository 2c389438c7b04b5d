"""What there is room for, as a limit on a decision."""

from dataclasses import replace

import pytest

from autoscaler.core.allotment import Contender
from autoscaler.core.decide import decide
from autoscaler.core.history import History
from autoscaler.core.model import Decision, Quality, TargetRef, WorkerPod, unknown
from autoscaler.core.others import Others, Rival
from autoscaler.core.overrides import parse as parse_overrides
from autoscaler.core.policy import Fallback, FallbackMode, Policy
from autoscaler.core.quarters import Contest, is_exceeded
from autoscaler.core.quota import NamespaceLimits, Quota
from autoscaler.core.reserve import parse
from autoscaler.core.snapshot import Snapshot
from autoscaler.core.writers import Writer, WriterKind
from tests.builders import TARGET, cordon, depth, policy, reasons, snapshot
from tests.builders import worker as worker_of
from tests.core.quota.build import limit_range, quota, rules, worker

SHAPE = worker({"cpu": "500m"})


def within(
    seen: Snapshot, limits: NamespaceLimits, *rivals: Contender, settled: bool = True, **facts
) -> Snapshot:
    """Return a snapshot of a target in a namespace with limits."""
    own = Contender(
        TARGET,
        SHAPE,
        places=seen.workers.places,
        asked=seen.workers.replicas,
        leaving=seen.workers.leaving,
        **facts,
    )
    firm = 0 if settled else own.asked
    return replace(seen, contest=Contest(limits, limits, is_exceeded(limits), own, rivals, firm))


def decided(seen: Snapshot, held: Policy | None = None) -> Decision:
    """Decide for a target that has been at the same size for long."""
    return decide(seen, held or policy(most=40), History.seeded(seen.at - 10_000, seen.workers.replicas))


def limits(used: str, hard: str = "10", **more: str) -> NamespaceLimits:
    """Return a quota of cores."""
    return NamespaceLimits((quota({"requests.cpu": hard, **more}, {"requests.cpu": used}),))


def test_what_does_not_fit_is_not_asked_for():
    """The step names what was wanted, what fits, and the quota with what of it is used."""
    decision = decided(within(snapshot(10, depth(32)), limits("5")))
    assert (decision.replicas, decision.wanted) == (20, 32)
    assert reasons(decision) == ("WorkWaiting", "QuotaLimited")
    assert decision.steps[-1].message == "wanted 32, 20 fit: quota team, requests.cpu 10 of 10 used"


def test_what_fits_is_not_limited():
    """With room for all, and without any limits at all."""
    assert reasons(decided(within(snapshot(10, depth(15)), limits("5")))) == ("WorkWaiting",)
    assert reasons(decided(snapshot(10, depth(32)))) == ("WorkWaiting",)


def test_a_reserve_is_told_of():
    """So that nobody looks for the room that is there."""
    seen = within(snapshot(10, depth(32)), limits("5"), reserves=(parse("20%"),))
    assert decided(seen).steps[-1].message == (
        "wanted 32, 16 fit: quota team, requests.cpu 8 of 8 used (quota_reserve left out)"
    )


def test_others_who_get_room_are_named():
    """With as many pods as they get."""
    rival = Contender(TargetRef("data", "other"), SHAPE, wants=12)
    decision = decided(within(snapshot(0, depth(12)), limits("0", "3"), rival))
    assert (decision.replicas, decision.steps[-1].message) == (
        3,
        "wanted 12, 3 fit: quota team, requests.cpu 3 of 3 used; other gets 3",
    )


def test_a_pod_that_is_never_admitted_has_a_reason_of_its_own():
    """More than the limit range lets a container have: no quota helps."""
    held = NamespaceLimits((), (limit_range(rules(max={"cpu": "100m"})),))
    decision = decided(within(snapshot(0, depth(3)), held))
    assert (decision.replicas, decision.reason) == (0, "PodNotAdmitted")


def test_with_many_reasons_the_first_are_told():
    """Three, and how many more there are."""
    hard = dict.fromkeys(("pods", "count/pods", "requests.cpu", "cpu"), "0")
    message = decided(within(snapshot(0, depth(3)), NamespaceLimits((quota(hard),)))).steps[-1].message
    assert message.count("quota team") == 3
    assert message.endswith(" and 1 more")


def test_nothing_is_asked_for_before_the_quotas_are_known():
    """But what is there stays."""
    waiting = replace(snapshot(2, depth(9)), quotas_detail="not listed yet")
    decision = decided(waiting)
    assert (decision.replicas, decision.reason) == (2, "QuotaUnknown")
    assert reasons(decided(replace(snapshot(2, depth(2)), quotas_detail="not listed yet"))) == (
        "WorkWaiting",
    )


def asked_for(replicas: int, there: int) -> Snapshot:
    """Return a target with fewer pods than were asked for."""
    seen = snapshot(there, depth(30))
    return replace(seen, workers=replace(seen.workers, replicas=replicas))


def test_what_was_asked_for_in_vain_is_taken_back():
    """A set that somebody scaled past its quota comes down to the pods that it has."""
    decision = decided(within(asked_for(20, 10), limits("5", "5")))
    assert (decision.replicas, decision.reason) == (10, "QuotaLimited")


def test_nothing_is_taken_back_from_a_paused_target():
    """Whatever was asked for stays asked for, and nobody gives way."""
    for annotations in ({"autoscaler/paused": "true"}, {"autoscaler/paused-scale-in": "true"}):
        seen = asked_for(20, 10)
        held = replace(seen, workers=replace(seen.workers, overrides=parse_overrides(annotations)))
        assert decided(within(held, limits("5", "3"))).replicas == 20


def test_nothing_is_taken_back_in_a_fight():
    """Whoever asks for too many again and again would do so once more: nothing is written for a while."""
    rival = Rival(Writer("argocd-controller"), (900.0,), fights=1, until=1060.0)
    yielding = replace(History.seeded(0.0, 20), others=Others(20, rivals=(rival,)))
    for hard in ("5", "3"):
        seen = within(asked_for(20, 10), limits("5", hard))
        assert decide(seen, policy(most=40), yielding).replicas == 20
        assert decide(replace(seen, at=1060.0), policy(most=40), yielding).replicas <= 10


def test_it_is_not_taken_back_while_pods_may_be_on_their_way():
    """The quota has counted them, and they are not seen yet."""
    decision = decided(within(asked_for(20, 10), limits("10"), settled=False))
    assert (decision.replicas, decision.reason) == (20, "QuotaLimited")


def test_what_is_admitted_of_what_was_asked_for():
    """Three more are, of which two may have been counted already; with no pod missing it is all of them."""
    seen = within(asked_for(20, 10), limits("5", "6500m"), uncounted=2)
    assert seen.contest is not None
    assert seen.contest.admitted == 13
    assert decided(replace(seen, contest=replace(seen.contest, firm=13))).replicas == 13
    assert decided(seen).replicas == 11
    whole = within(snapshot(4, depth(30)), limits("2", "1"))
    assert whole.contest is not None
    assert whole.contest.admitted == 4


def test_it_is_not_taken_back_from_pods_that_are_not_seen():
    """While the cluster is seen as it was, pods that have come since have no place in what is seen."""
    seen = replace(asked_for(20, 10), workers_quality=Quality.STALE)
    decision = decided(within(seen, limits("10")))
    assert (decision.replicas, decision.reason) == (20, "QuotaLimited")


def test_it_is_not_taken_back_from_whom_the_number_is_left_to():
    """Whoever puts it back again and again has it for a while, and so nobody gives way either."""
    fight = Rival(Writer("helm", WriterKind.DEPLOY_TOOL), (0.0,), fights=1, until=2000.0)
    for seen, hard in ((asked_for(20, 10), "5"), (snapshot(10, depth(10)), "3")):
        size = seen.workers.replicas
        history = History.seeded(seen.at - 10_000, size)
        fought = replace(history, others=replace(history.others, rivals=(fight,)))
        assert decide(within(seen, limits("5", hard)), policy(most=40), fought).replicas == size


def placed(replicas: int, *places: int, reading: int = 30) -> Snapshot:
    """Return a target with pods at these places alone."""
    seen = snapshot(max(places) + 1, depth(reading))
    pods = tuple(pod for pod in seen.workers.pods if pod.place in places)
    return replace(seen, workers=replace(seen.workers, replicas=replicas, pods=pods))


def test_what_was_asked_for_in_vain_is_taken_back_beyond_a_gap_too():
    """Places 0 and 2 have pods and nothing fits: neither more than those, nor fewer, are asked for."""
    assert decided(within(placed(5, 0, 2), limits("1", "1"))).replicas == 3
    assert decided(within(placed(9, 5), limits("1", "1"))).replicas == 6


def test_pods_that_end_are_no_reason_to_ask_for_their_places():
    """Place 1 of two is empty and nothing fits; 2 and 3 end, and would be made anew."""
    assert decided(within(placed(2, 0, 2, 3), limits("1", "1"))).replicas == 1


def test_pods_that_end_hide_no_room():
    """Places 3 and 4 are promised, of which one fits, while pod 7 ends."""
    assert decided(within(placed(5, 0, 1, 2, 7), limits("2", "2500m"))).replicas == 4


def test_a_lowered_quota_has_workers_go_above_a_gap():
    """Four workers in six places, where three are allowed."""
    decision = decided(within(placed(6, 0, 1, 4, 5), limits("2", "1500m")))
    assert (decision.replicas, reasons(decision)[1:]) == (5, ("QuotaExceeded", "OrdinalsMissing"))


def test_whoever_has_given_way_does_not_come_back():
    """Three of seven end, or are about to, as four are allowed: to ask for them again would be in vain."""
    given = placed(4, *range(7))
    assert decided(within(given, limits("3500m", "2"))).replicas == 4
    assert decided(within(given, limits("3500m", "3500m"))).replicas == 7


def test_a_gap_that_cannot_be_filled_costs_no_worker_above_it():
    """Pod 1 of three is gone and does not fit any more: the others stay."""
    seen = snapshot(3, depth(3))
    pods = tuple(pod for pod in seen.workers.pods if pod.place != 1)
    gapped = replace(seen, workers=replace(seen.workers, pods=pods))
    decision = decided(within(gapped, limits("1", "1")))
    assert decision.replicas == 3
    assert "quota" not in decision.bound_by


def busy(seen: Snapshot) -> Snapshot:
    """Return the same with workers that each run a task and have not been told anything."""
    crew = tuple(worker_of(pod.name, 1, cordoned=False) for pod in seen.workers.pods)
    return replace(seen, crew=crew, cordons=())


def test_a_lowered_quota_has_idle_workers_go_first_and_busy_ones_later():
    """Ten pods where six are allowed: four are to go, and only who is proven idle goes."""
    idle = decided(within(snapshot(10, depth(10)), limits("5", "3")))
    assert (idle.replicas, idle.reason) == (6, "QuotaExceeded")
    assert idle.steps[-1].message == "quota team, requests.cpu 5 of 3 used: 4 give way once idle"
    working = decided(within(busy(snapshot(10, depth(10))), limits("5", "3")))
    assert (working.replicas, working.steps[-2].replicas, len(working.cordons)) == (10, 6, 4)


def test_no_worker_of_ours_gives_way_to_what_none_of_them_takes():
    """Another resource is short, which workers of this shape do not take."""
    held = NamespaceLimits((quota({"requests.cpu": "9", "limits.cpu": "1"}, {"limits.cpu": "5"}),))
    assert reasons(decided(within(snapshot(3, depth(3)), held))) == ("WorkWaiting",)


def test_a_lowered_quota_takes_nothing_from_whom_we_do_not_see_well():
    """Neither on an old view of the cluster nor of the broker."""
    for blurred in (
        snapshot(10, depth(10), cluster=Quality.STALE),
        snapshot(10, unknown("broker", "no answer")),
    ):
        assert decided(within(blurred, limits("5", "3"))).replicas == 10


def test_a_lowered_quota_leaves_the_minimum():
    """That is asked for whatever the quota says; and a demand that is lower anyway needs no reason."""
    held = policy(least=8, most=40)
    assert decided(within(snapshot(10, depth(10)), limits("5", "3")), held).replicas == 8
    assert decided(within(snapshot(10, depth(10)), limits("0", "3", pods="0"))).replicas == 10


def test_a_deployment_that_has_given_way_gives_no_more():
    """Those that are to go are not seen to end yet."""
    seen = snapshot(4, depth(4))
    pods = tuple(replace(pod, place=None) for pod in seen.workers.pods)
    seen = replace(seen, target=TargetRef("data", "worker", "Deployment"))
    given = replace(seen, workers=replace(seen.workers, replicas=2, pods=pods))
    assert decided(within(given, limits("2", "1"))).replicas == 2


def test_a_deployment_lets_go_of_as_many_as_are_too_many():
    """Its pods have no places; those that end count no more."""
    pods = tuple(WorkerPod(f"w-{n}", ready=True, terminating=n == 3) for n in range(4))
    workers = replace(snapshot(3).workers, pods=pods)
    assert (workers.places, workers.leaving) == (frozenset({0, 1, 2}), 1)


@pytest.mark.parametrize(
    ("most", "each", "replicas"), [(100, 18, 5), (100, 100, 1), (10, 18, 0), (None, 18, 9)]
)
def test_the_database_has_connections_for_so_many_workers(most: int | None, each: int, replicas: int):
    """Rounded down, with a reason of its own."""
    held = replace(policy(most=40), max_db_connections=most, db_connections_per_worker=each)
    decision = decided(snapshot(0, depth(9)), held)
    assert decision.replicas == replicas
    if most is not None:
        assert decision.reason == "DatabaseConnections"
        assert decision.steps[-1].message == f"max_db_connections is {most}, at {each} for each worker"


@pytest.mark.parametrize("mode", [FallbackMode.AT_LEAST, FallbackMode.STATIC])
def test_a_fallback_keeps_within_the_databases_connections(mode: FallbackMode):
    """Whoever does not know the demand calls up no more than whoever does."""
    rule = Fallback(mode, 30, after_seconds=60.0)
    held = replace(policy(most=40), max_db_connections=100, db_connections_per_worker=18, fallback=rule)
    decision = decided(snapshot(0, unknown("redis", "silent"), at=1000.0), held)
    assert (decision.replicas, decision.reason) == (5, "Fallback")


def test_a_quota_is_exceeded_by_what_it_counts():
    """A resource of which the use is not counted yet is not."""
    assert is_exceeded(limits("5", "3"))
    assert not is_exceeded(limits("3", "3"))
    assert not is_exceeded(NamespaceLimits((Quota("new", quota({"pods": "1"}).hard),)))


def test_workers_withheld_from_no_tasks_still_are_counted():
    """A cordon of ours does not free any of the quota."""
    seen = replace(snapshot(2, depth(9)), cordons=(cordon("worker-0"), cordon("worker-1")))
    assert decided(within(seen, limits("1", "1"))).replicas == 2
