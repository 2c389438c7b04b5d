"""Which workers do not start, since when, and whether more of them would.

A pod counts as a worker that is about to come, but not for ever: its image cannot be pulled, no node has
room for it, it crashes again and again, or its controller is refused it. More of the same would not start
either. What one pod suffers from alone is another matter: its node is gone, or its volume is where there is
no room. That is told by what the cluster shows, and never by the words of a message:

- the node of a pod that has run is not heard any more;
- a pod above it that was made later is Ready: those that come last are the ones that more would be like;
- it waits for a volume of its own, and is the only one that does not start: one more pod tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoscaler.core.model import Quality, WorkerPod
from autoscaler.core.snapshot import Snapshot

STEADY_SECONDS = 60.0
"""How long a worker that was restarted must be Ready to have started: a container without a probe counts as
Ready as soon as its process is there, and one that crashes at once does so again and again."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """The memory of a pod that is missing, or that crashes: since when, in monotonic seconds."""

    pod: str
    since: float


@dataclass(frozen=True, slots=True)
class Late:
    """A worker that has not started in time.

    `since` is when it should have begun to, in seconds since the epoch, `why` says it in the words of its
    status. `lost` says that it has run, and that its node is not heard any more.
    """

    pod: str
    place: int | None
    why: str
    since: float
    lost: bool = False
    awaits_volume: bool = False


@dataclass(frozen=True, slots=True)
class Starting:
    """Which workers do not start.

    Those that stand `apart` do so for reasons of their own: others can take their places. Where there are
    `failing` ones, more would fail too; `one_more` says that one more is worth a try.
    """

    failing: tuple[Late, ...] = ()
    apart: tuple[Late, ...] = ()
    one_more: bool = False


ALL_WELL = Starting()


def awaited(before: tuple[Awaited, ...], snapshot: Snapshot) -> tuple[Awaited, ...]:
    """Return the memory of missing and crashing pods after a look; an old look tells nothing new."""
    workers = snapshot.workers
    if snapshot.workers_quality is not Quality.FRESH:
        return before
    if len(workers.pods) >= workers.replicas and all(pod.ready and not pod.restarts for pod in workers.pods):
        return ()
    known = {one.pod: one.since for one in before}
    begun = {pod.name: _unready_at(pod, snapshot) for pod in workers.pods if _crashes(pod, snapshot.now)}
    begun |= {name: snapshot.at for name, _ in missing(snapshot)}
    return tuple(Awaited(name, known.get(name, since)) for name, since in begun.items())


def room_for(before: tuple[Awaited, ...], kept_out: Sequence[str], at: float) -> tuple[Awaited, ...]:
    """Return the memory in which the time of pods that a quota keeps out begins when there is room for them.

    Their controller holds back by then, and makes them as soon as it is asked for more.
    """
    if not kept_out:
        return before
    return tuple(Awaited(one.pod, at) if one.pod in kept_out else one for one in before)


def _unready_at(pod: WorkerPod, snapshot: Snapshot) -> float:
    """Return since when a pod has not been Ready, in monotonic seconds, now if it is."""
    if pod.ready or pod.turned_at is None:
        return snapshot.at
    return snapshot.at - max(0.0, snapshot.now - pod.turned_at)


def _crashes(pod: WorkerPod, now: float) -> bool:
    """Return whether a pod was restarted, and has not been Ready for long since."""
    if not pod.restarts or pod.terminating:
        return False
    return not pod.ready or pod.turned_at is None or now - pod.turned_at < STEADY_SECONDS


def missing(snapshot: Snapshot) -> Iterator[tuple[str, int | None]]:
    """Give the names and places of pods that are to be there and are not.

    Where pods start one after the other only the first of them counts, once those before it are Ready.
    """
    workers = snapshot.workers
    if snapshot.target.kind != "StatefulSet":
        staying = sum(not pod.terminating for pod in workers.pods)
        for number in range(staying, workers.replicas):
            yield f"pod {number + 1} of {workers.replicas}", None
        return
    there = {pod.place: pod for pod in workers.pods}
    for place in range(workers.replicas):
        pod = there.get(place)
        if pod is None:
            yield f"{snapshot.target.name}-{workers.first_ordinal + place}", place
        if not workers.parallel and (pod is None or not pod.ready):
            return


def starting(snapshot: Snapshot, memory: Sequence[Awaited], timeout_seconds: float) -> Starting:
    """Return which workers have not started within a time.

    Where pods start one after the other nobody can take another's place: none above it is made.
    """
    workers = snapshot.workers
    if not memory and all(pod.ready and not pod.terminating for pod in workers.pods):
        return ALL_WELL
    late = [one for one in _waiting(snapshot, memory) if snapshot.now - one.since >= timeout_seconds]
    if not late:
        return ALL_WELL
    crashing = {one.pod for one in memory}
    well = [pod for pod in workers.pods if pod.ready and not pod.terminating and pod.name not in crashing]
    apart = tuple(one for one in late if workers.parallel and (one.lost or _outrun(one, well)))
    failing = tuple(one for one in late if one not in apart)
    sole = workers.parallel and len(failing) == 1 and failing[0].awaits_volume
    return Starting(failing, apart, one_more=sole and len(well) >= workers.replicas - len(late))


def _waiting(snapshot: Snapshot, memory: Sequence[Awaited]) -> Iterator[Late]:
    """Give the workers that are still to start, or that were to have ended, by place."""
    workers = snapshot.workers
    since = {one.pod: snapshot.now - (snapshot.at - one.since) for one in memory}
    placed = snapshot.target.kind == "StatefulSet"
    for pod in sorted(workers.pods, key=lambda pod: (pod.place or 0, pod.name)):
        if placed and (pod.place is None or pod.place >= workers.replicas):
            continue
        waiting = _ending(pod) if pod.terminating else _beginning(pod, since.get(pod.name))
        if waiting is not None:
            yield waiting
    for name, place in missing(snapshot):
        if name in since:
            yield Late(name, place, workers.not_made or "its controller has not made it", since[name])


def _ending(pod: WorkerPod) -> Late | None:
    """Return a pod that another one waits for to be gone; those of a Deployment are not waited for."""
    if pod.ends_at is None or pod.place is None:
        return None
    return Late(
        pod.name, pod.place, "was to have ended, and its node does not say so", pod.ends_at, lost=True
    )


def _beginning(pod: WorkerPod, crashing_since: float | None) -> Late | None:
    """Return a pod that is not Ready, or not for long between two crashes."""
    if pod.ready:
        if crashing_since is None:
            return None
        return Late(pod.name, pod.place, f"ends again and again, {pod.restarts} restarts", crashing_since)
    unready_since = pod.created_at if pod.turned_at is None else pod.turned_at
    known = [since for since in (unready_since, crashing_since) if since is not None]
    if not known:
        return None
    why = pod.why_unready or "is not Ready"
    return Late(pod.name, pod.place, why, min(known), pod.unreachable, pod.awaits_volume)


def _outrun(late: Late, well: Sequence[WorkerPod]) -> bool:
    """Return whether one of the pods that are Ready is above it, and was made since.

    One below proves nothing: where there is no room, a pod that is made anew takes its own again.
    """
    if late.place is None:
        return False
    return any(
        pod.place > late.place and pod.created_at > late.since
        for pod in well
        if pod.place is not None and pod.created_at is not None
    )
