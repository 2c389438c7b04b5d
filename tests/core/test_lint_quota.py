"""What of the quotas of a namespace keeps a target small."""

from dataclasses import replace

from autoscaler.core.findings import Severity
from autoscaler.core.habits import Habits
from autoscaler.core.lint_quota import QUOTA_FINDINGS, quota_room
from autoscaler.core.model import fresh, unknown
from autoscaler.core.quota import Room, room
from tests.core.quota.build import limit_range, limits, quota, rules, worker

FULL = limits(quota({"pods": "5"}, {"pods": "2"}))
TIGHT = limits(limit_range(rules(max={"cpu": "100m"})))


def habits(found: Room, most: int | None = 20) -> Habits:
    """Return a target in a namespace with room for so many workers."""
    return Habits(max_replicas=most, room=fresh(found, "quotas"))


def test_a_quota_with_less_room_than_the_target_may_take_is_told():
    """With what is full by then."""
    more = room(FULL, worker())
    found = quota_room(habits(replace(more, pods=5)))
    assert found is not None
    assert (found.code, found.severity) == ("QuotaBelowMaxReplicas", Severity.ADVICE)
    assert found.message == (
        "max_replicas is 20, and at present the namespace has room for 5 workers in all: "
        "quota team, pods 5 of 5 used by then. Raise the quota, or lower max_replicas. See docs/quota.md."
    )


def test_a_template_that_is_not_admitted_is_told():
    """No quota would help."""
    found = quota_room(habits(room(TIGHT, worker({"cpu": "1"}))))
    assert found is not None
    assert found.code == "PodNotAdmitted"
    assert found.message.endswith("no more workers of this template are admitted.")


def test_enough_room_is_no_finding():
    """Nor what is not known, or not limited."""
    assert quota_room(habits(Room(20))) is None
    assert quota_room(habits(Room(None))) is None
    assert quota_room(habits(Room(0), None)) is None
    assert quota_room(replace(habits(Room(0)), room=unknown("quotas", "refused"))) is None
    assert (quota_room,) == QUOTA_FINDINGS
