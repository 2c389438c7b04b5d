"""Which of its pods a ReplicaSet deletes first."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.controllers.pod_order import deletion_order
from autoscaler.sandbox.objects.deletion_cost import DELETION_COST, deletion_cost
from autoscaler.sandbox.objects.values import stamp
from tests.sandbox.world import BEGIN, names

HOUR = 3600.0
NOW = BEGIN.replace(hour=12)


def a_pod(name: str, *, ready: float | None = HOUR, age: float = HOUR, **told: Any) -> dict[str, Any]:
    """Return a pod; `ready` and `age` are seconds until now, the rest as `told` says."""
    since = stamp(BEGIN.fromtimestamp(NOW.timestamp() - (ready or 0), BEGIN.tzinfo))
    condition = {"type": "Ready", "status": str(ready is not None), "lastTransitionTime": since}
    cost = {DELETION_COST: str(told["cost"])} if "cost" in told else {}
    return {
        "metadata": {
            "name": name,
            "uid": told.get("uid", name),
            "creationTimestamp": stamp(BEGIN.fromtimestamp(NOW.timestamp() - age, BEGIN.tzinfo)),
            "annotations": cost,
        },
        "spec": {"nodeName": told.get("node", "one"), "initContainers": told.get("beside", [])},
        "status": {
            "phase": told.get("phase", "Running"),
            "conditions": [condition],
            "containerStatuses": [{"name": "main", "restartCount": told.get("restarts", 0)}],
            "initContainerStatuses": [{"name": "side", "restartCount": told.get("side", 0)}],
        },
    }


SIDECAR = {"beside": [{"name": "side", "restartPolicy": "Always"}]}


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ({"node": "", "phase": "Pending", "ready": None, "cost": 9}, {"phase": "Pending", "ready": None}),
        ({"phase": "Pending", "ready": None, "cost": 9}, {"phase": "Unknown", "ready": None}),
        ({"phase": "Unknown", "ready": None, "cost": 9}, {"ready": None}),
        ({"ready": None, "cost": 9}, {"cost": -9}),
        ({"cost": -1}, {}),
        ({}, {"cost": 1, "ready": 1.0}),
        ({"cost": "x"}, {"cost": 1}),
        ({"cost": -1}, {"cost": "+7"}),
        ({"cost": -(2**31)}, {"cost": -(2**31) - 1}),
        ({"ready": 60.0, "age": HOUR}, {"ready": 600.0, "age": 600.0}),
        ({"ready": 1.0}, {"ready": 2.0}),
        ({"restarts": 2}, {"restarts": 1, "age": 1.0}),
        ({"side": 2, **SIDECAR}, {"side": 1, "age": 1.0, **SIDECAR}),
        ({"age": 60.0}, {"age": 600.0}),
        ({"ready": None, "age": 60.0}, {"ready": None, "age": 600.0}),
        ({"uid": "a", "ready": 3000.0, "restarts": 0}, {"uid": "b", "ready": 2500.0, "restarts": 9}),
        ({"uid": "a", "age": 3000.0}, {"uid": "b", "age": 2500.0}),
        ({"uid": "a", "ready": 3.0, "age": 9.0}, {"uid": "b", "ready": 4.0, "age": 9.0}),
        ({"ready": 4.0, "uid": "b"}, {"ready": 4.5, "uid": "a"}),
    ],
)
def test_the_order_of_deletion(first: dict[str, Any], last: dict[str, Any]) -> None:
    """Each rule of ActivePodsWithRanks decides before the next one, whichever way the pods come."""
    one, other = a_pod("one", **first), a_pod("other", **last)
    assert names(deletion_order([one, other], [], NOW)) == ["one", "other"]
    assert names(deletion_order([other, one], [], NOW)) == ["one", "other"]


def test_pods_on_crowded_nodes_go_first() -> None:
    """The rank is the number of active pods of all ReplicaSets of the owner on the node."""
    alone, crowded = a_pod("alone", node="two", ready=1.0), a_pod("crowded", node="one")
    over = [a_pod(f"over-{number}", node="two", phase="Failed", ready=None) for number in range(3)]
    related = [alone, crowded, a_pod("other", node="one"), *over]
    assert names(deletion_order([alone, crowded], related, NOW)) == ["crowded", "alone"]
    cheap = a_pod("cheap", node="two", cost=-1)
    assert names(deletion_order([crowded, cheap], related, NOW)) == ["cheap", "crowded"]


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("+5", None),
        ("05", None),
        ("", None),
        ("2147483648", None),
        ("1.5", None),
    ],
)
def test_a_deletion_cost_is_a_plain_number(text: str, cost: int | None) -> None:
    """What is no number of 32 bits is refused by the API server, and counts as 0 where it got in."""
    assert deletion_cost({DELETION_COST: text}) == cost
