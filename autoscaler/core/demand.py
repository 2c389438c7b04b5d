"""From messages in the broker to slots wanted, and from slots to replicas."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.core.model import Snapshot, Step


@dataclass(frozen=True, slots=True)
class Demand:
    """Tasks that want a slot now, and how many slots a worker has.

    `unacked` is the part of the unacknowledged messages that counts for this target.
    """

    waiting: int
    unacked: int
    slots_per_worker: int

    @property
    def slots(self) -> int:
        """Slots wanted now."""
        return self.waiting + self.unacked

    @property
    def replicas(self) -> int:
        """Workers needed to give every task a slot, rounded up."""
        return -(-self.slots // self.slots_per_worker)


def measure(snapshot: Snapshot) -> Demand | None:
    """Return the demand that a snapshot shows, None where a needed reading is unknown.

    Unacknowledged messages that several targets share are counted only up to the slots of the
    workers that this target has: they may belong to others, so they can hold its workers but never
    call up more.
    """
    depth, slots = snapshot.depth.value, snapshot.slots.value
    if depth is None or slots is None:
        return None
    unacked = depth.unacked
    if depth.unacked_shared:
        unacked = min(unacked, snapshot.workers.replicas * slots)
    return Demand(waiting=depth.waiting, unacked=unacked, slots_per_worker=slots)


def demand_step(snapshot: Snapshot, demand: Demand | None) -> Step:
    """Return the first step of a decision: what the demand alone asks for."""
    current = snapshot.workers.replicas
    if demand is None:
        why = "; ".join(
            f"{reading.source}: {reading.detail}"
            for reading in (snapshot.depth, snapshot.slots)
            if reading.value is None
        )
        return Step("demand", current, "DemandUnknown", f"demand unknown ({why}), {current} kept")
    reason = "WorkWaiting" if demand.slots else "NoWork"
    return Step("demand", demand.replicas, reason, _sum_of(snapshot, demand))


def _sum_of(snapshot: Snapshot, demand: Demand) -> str:
    shared = snapshot.depth.value is not None and snapshot.depth.value.unacked_shared
    unacked = f"{demand.unacked} unacked" + (" (counter shared with other targets)" if shared else "")
    age = "" if snapshot.depth.is_fresh else f", read {snapshot.depth.age_seconds:.0f} s ago"
    return (
        f"{demand.waiting} ready + {unacked} = {demand.slots} slots wanted{age}; "
        f"{demand.slots_per_worker} a worker ({snapshot.slots.source}) makes {demand.replicas}"
    )
