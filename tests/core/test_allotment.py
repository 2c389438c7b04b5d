"""Who gets how many of the pods that a namespace has room for."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.allotment import Allotment, Contender, allot, surrender
from autoscaler.core.model import TargetRef
from autoscaler.core.quota import NamespaceLimits
from autoscaler.core.quota.ledger import Used
from autoscaler.core.reserve import parse, without
from tests.core.quota.build import claim, quota, worker

CPU = worker({"cpu": "500m"})


def limits(hard: dict[str, str], used: dict[str, str] | None = None) -> NamespaceLimits:
    """Return the limits of a namespace with one quota."""
    return NamespaceLimits((quota(hard, used),))


def contender(name: str = "w", wants: int = 0, there: int = 0, **more: Any) -> Contender:
    """Return a target with so many pods that wants so many, of half a core each."""
    known = Contender(TargetRef("data", name), CPU, frozenset(range(there)), asked=there, wants=wants)
    return replace(known, **more)


def got(room: NamespaceLimits, *contenders: Contender) -> dict[str, int]:
    """Return what each gets, by name."""
    return {ref.name: part.pods for ref, part in allot(room, contenders).items()}


def test_alone_it_gets_what_fits_and_is_told_why_no_more():
    """Five of twenty, and the quota that has no more room after that."""
    part = allot(limits({"pods": "5"}), [contender(wants=20)])[TargetRef("data", "w")]
    assert part.pods == 5
    assert [bound.text for bound in part.bounds] == ["quota team, pods 5 of 5 used"]


def test_where_there_is_room_for_all_nobody_is_told_anything():
    """And nobody has to be asked one by one."""
    parts = allot(limits({"pods": "10"}), [contender("a", 4), contender("b", 6)])
    assert list(parts.values()) == [Allotment(4), Allotment(6)]


def test_equals_share_in_proportion_to_what_they_lack():
    """Twice the need, twice the pods; of two alike the first by name gets the odd one."""
    assert got(limits({"pods": "9"}), contender("a", 20), contender("b", 10)) == {"a": 6, "b": 3}
    assert got(limits({"pods": "3"}), contender("b", 5), contender("a", 5)) == {"a": 2, "b": 1}


def test_priority_goes_before_need():
    """The higher is served in full first."""
    both = contender("a", 20), contender("b", 4, priority=1)
    assert got(limits({"pods": "10"}), *both) == {"a": 6, "b": 4}


def test_what_was_asked_for_goes_before_priority():
    """Its controller is about to make those pods, whatever others want."""
    both = contender("a", 6, asked=6), contender("b", 6, priority=9)
    assert got(limits({"pods": "6"}), *both) == {"a": 6, "b": 0}


def test_pods_that_may_not_be_counted_yet_take_room():
    """Two that have just appeared are held against a use that does not have them yet."""
    assert got(limits({"pods": "5"}, {"pods": "1"}), contender(wants=20, there=3, uncounted=2)) == {"w": 2}


def test_each_shape_takes_what_it_takes():
    """One with large workers stops where one with small ones goes on."""
    large = contender("large", 3, shape=worker({"cpu": "2"}))
    assert got(limits({"requests.cpu": "3"}), large, contender("small", 9)) == {"large": 1, "small": 2}


def test_a_reserve_is_left_free_by_those_who_have_one():
    """Absolute or a share, of one resource or of all."""
    room = limits({"pods": "10", "requests.cpu": "10"})
    keep = {"pods: 4": 6, "40%": 6, "pods: 25%": 7, "requests.cpu: 8": 4, "pods: 99": 0}
    for text, pods in keep.items():
        assert got(room, contender(wants=20, reserves=(parse(text),))) == {"w": pods}, text
    assert without(room, ()) is room
    assert without(room, (parse("100%"),)).quotas[0].hard["pods"].amount == 0
    named = without(room, (parse("50%"), parse("pods: 1"))).quotas[0].hard
    assert (str(named["pods"]), str(named["requests.cpu"])) == ("9", "5")


@pytest.mark.parametrize("text", ["5", ": 5", "pods:", "101%", "pods: -1", "pods: 5 10", "-3%", "pods 5"])
def test_what_is_no_reserve(text: str):
    """A share of everything, or an amount or a share of something."""
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_claims_that_were_kept_cost_nothing():
    """Ordinals that were there before have their storage; the next ones need some that is not there."""
    shape = worker({"cpu": "1"}, None, claim("1Gi"))
    room = limits({"requests.storage": "3Gi"}, {"requests.storage": "2Gi"})
    kept = frozenset({"logs-w-4", "logs-w-5"})
    found = contender(wants=9, shape=shape, kept_claims=kept, first_ordinal=4)
    assert got(room, found) == {"w": 3}
    assert got(room, replace(found, first_ordinal=0)) == {"w": 1}
    assert got(limits({"requests.storage": "10Gi"}), replace(found, wants=3)) == {"w": 3}


def test_gaps_come_before_what_is_beyond():
    """A set without its pod 1 fills that place first."""
    gapped = contender(wants=6, places=frozenset({0, 2}), asked=3)
    assert gapped.lacking(6) == (1, 3, 4, 5)
    assert got(limits({"pods": "5"}, {"pods": "2"}), gapped) == {"w": 3}


def test_a_lowered_quota_asks_the_lowest_priority_first_and_then_whoever_has_most():
    """Three too many: the unimportant one gives both that it has, the larger of the others one."""
    room = limits({"pods": "7"}, {"pods": "10"})
    all_of_them = (
        contender("a", there=3, priority=1),
        contender("b", there=5, priority=1),
        contender("c", there=2),
    )
    due = {one.target.name: surrender(room, all_of_them, one.target).workers for one in all_of_them}
    assert due == {"a": 0, "b": 1, "c": 2}
    told = surrender(room, all_of_them, all_of_them[1].target).bounds
    assert [bound.text for bound in told] == ["quota team, pods 10 of 7 used"]


def test_those_who_go_already_count_for_the_lowered_quota():
    """Two that end give back what is too much; nobody else has to go."""
    room = limits({"pods": "3"}, {"pods": "5"})
    going = contender(there=5, asked=3, leaving=2)
    assert surrender(room, [going], going.target).workers == 0


WHO = st.builds(
    contender,
    st.sampled_from(["a", "b", "c"]),
    wants=st.integers(0, 12),
    there=st.integers(0, 4),
    priority=st.integers(0, 2),
    uncounted=st.integers(0, 1),
    shape=st.sampled_from([CPU, worker({"cpu": "2"}), worker({"cpu": "1"}, None, claim("1Gi"))]),
)
CROWD = st.lists(WHO, min_size=1, max_size=3, unique_by=lambda one: one.target)
ROOM = st.builds(
    lambda pods, cores: limits({"pods": str(pods), "requests.cpu": str(cores)}, {"pods": "2"}),
    st.integers(0, 20),
    st.integers(0, 20),
)


@given(CROWD, ROOM)
def test_nobody_gets_more_than_it_lacks_and_all_of_it_fits(crowd: list[Contender], room: NamespaceLimits):
    """Whatever was given can be made, and what is left over is too little for whoever lacks something."""
    parts = allot(room, crowd)
    used: Used = {}
    for one in crowd:
        ledger, lacking = one.seen_through(room), one.lacking(one.wants)
        part = parts[one.target]
        assert 0 <= part.pods <= len(lacking)
        assert bool(part.bounds) == (part.pods < len(lacking))
        used = ledger.cost(frozenset()).after(used, one.uncounted)
        for place in lacking[: part.pods]:
            used = ledger.cost(one.missing_claims(place)).after(used, 1)
    for one in crowd:
        cost = one.seen_through(room).cost(frozenset())
        if any(parts[each.target].pods for each in crowd):
            assert all(need.used(used) <= need.hard for need in cost.needs if parts[one.target].pods)


@given(CROWD, ROOM)
def test_whoever_was_promised_something_is_promised_it_again(crowd: list[Contender], room: NamespaceLimits):
    """Asked for in the next tick, and not made yet, it is the same: the split is stable."""
    before = allot(room, crowd)

    def promised(one: Contender) -> Contender:
        lacking = one.lacking(one.wants)[: before[one.target].pods]
        return replace(one, asked=max([one.asked, *(place + 1 for place in lacking)]))

    after = allot(room, [promised(one) for one in crowd])
    assert {ref: part.pods for ref, part in after.items()} == {ref: part.pods for ref, part in before.items()}


@given(CROWD, ROOM)
def test_nobody_gives_up_more_than_it_has_and_then_it_is_enough(
    crowd: list[Contender], room: NamespaceLimits
):
    """Where all of the use is theirs, what they give is what is too much, and no more than they have."""
    due = {one.target: surrender(room, crowd, one.target).workers for one in crowd}
    assert all(0 <= due[one.target] <= len(one.staying) for one in crowd)
    if all(quota.used[name] <= hard for quota in room.quotas for name, hard in quota.hard.items()):
        assert not any(due.values())


def test_who_is_looked_at_first_does_not_matter():
    """One that leaves some free gets the same in everybody's eyes, also where another one does not."""
    room = limits({"pods": "10"})
    both = contender("a", 5), contender("b", 5, reserves=(parse("pods: 2"),))
    assert got(room, *both) == got(room, *reversed(both)) == {"a": 5, "b": 4}


def test_many_that_want_much_are_worked_out_in_no_time():
    """Fifty targets of 200 workers each, for a quarter of whom there is room, and then far too many."""
    crowd = [contender(f"w{number:02}", 200) for number in range(50)]
    assert set(got(limits({"pods": "2500"}), *crowd).values()) == {50}
    there = [contender(f"w{number:02}", there=200) for number in range(50)]
    room = limits({"pods": "2500"}, {"pods": "10000"})
    assert surrender(room, there, there[0].target).workers == 150
