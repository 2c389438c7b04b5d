"""Room that pods leave for a moment."""

from autoscaler.arrivals import COUNTING_SECONDS
from autoscaler.core.quota import NamespaceLimits, Quota
from autoscaler.dips import Dips
from tests.core.quota.build import quota


def limits(used: str, hard: str = "10") -> NamespaceLimits:
    """Return a quota of pods."""
    return NamespaceLimits((quota({"pods": hard}, {"pods": used}),))


def use(of: NamespaceLimits) -> str:
    """Return what of it is in use, and of how much."""
    return f"{of.quotas[0].used['pods']} of {of.quotas[0].hard['pods']}"


def test_what_was_in_use_a_moment_ago_still_counts():
    """For two seconds from when it was last in use; more in use, and more allowed, count at once."""
    dips, room = Dips(), limits("9")
    assert dips.filled(0.0, room) is room
    assert dips.filled(5.0, limits("9")) == room
    assert use(dips.filled(6.0, limits("7"))) == "9 of 10"
    assert use(dips.filled(7.0, limits("8", "20"))) == "9 of 20"
    assert use(dips.filled(7.5, limits("12", "20"))) == "12 of 20"
    assert use(dips.filled(7.5 + COUNTING_SECONDS, limits("12", "20"))) == "12 of 20"
    assert use(dips.filled(20.0, limits("3"))) == "12 of 10"
    assert use(dips.filled(20.0 + COUNTING_SECONDS, limits("3"))) == "3 of 10"


def test_a_quota_that_is_new_has_no_past():
    """Nor one that has not been counted yet."""
    dips = Dips()
    dips.filled(0.0, NamespaceLimits())
    assert use(dips.filled(1.0, limits("3"))) == "3 of 10"
    uncounted = NamespaceLimits((Quota("team", quota({"pods": "1"}).hard),))
    assert dips.filled(1.5, uncounted).quotas[0].used == {}
    assert use(dips.filled(1.6, limits("2"))) == "3 of 10"
