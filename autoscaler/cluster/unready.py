"""Why a pod is not Ready, in the words of its status.

What stands in the way first is told first: a node for the pod, its init containers, its containers, its
probe. The words are Kubernetes' own: those of the scheduler for PodScheduled, those of the kubelet for a
container that waits (pkg/kubelet/images/types.go, pkg/kubelet/container/sync_result.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoscaler.cluster.kinds import ContainerStatus, Pod

LONGEST_MESSAGE = 120
STARTING = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Why a container waits that has not been tried yet: for its pod's sandbox and volumes, or its turn."""

GATED = "ReadinessGatesNotReady"


def why_unready(pod: Pod) -> str:
    """Return why a pod is not Ready, empty where it is."""
    return "" if pod.ready else next(_reasons(pod), pod.status.phase or "Pending")


def is_unreachable(pod: Pod) -> bool:
    """Return whether a pod's node is not heard any more.

    Then its kubelet's last word stands, that the containers are ready, and the node controller has made
    the pod not Ready (MarkPodsNotReady). A readiness gate looks the same but for the kubelet's reason.
    """
    containers, ready = pod.condition("ContainersReady"), pod.condition("Ready")
    if containers is None or ready is None or containers.status != "True":
        return False
    return ready.status != "True" and ready.reason != GATED


def may_await_volume(pod: Pod) -> bool:
    """Return whether a pod has a volume of its own, and is at a stage at which it would wait for that."""
    if pod.ready or not any(volume.persistent_volume_claim for volume in pod.spec.volumes or ()):
        return False
    scheduled = pod.condition("PodScheduled")
    if scheduled is None or scheduled.status != "True":
        return True
    states = [one.state.waiting for one in pod.status.container_statuses or ()]
    return all(waiting is not None and waiting.reason in STARTING for waiting in states)


def _reasons(pod: Pod) -> Iterator[str]:
    """Give what stands in the way of a pod, what comes first first."""
    status = pod.status
    if status.reason:
        yield _words(status.reason, status.message)
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        yield _words(scheduled.reason or "not scheduled", scheduled.message)
    if is_unreachable(pod):
        yield "its node is not heard any more"
    yield from _troubles(status.init_container_statuses or (), "Init:")
    yield from _troubles(status.container_statuses or (), "")
    for one in status.container_statuses or ():
        if one.state.waiting is not None:
            yield one.state.waiting.reason or "ContainerCreating"
    ready = pod.condition("Ready")
    if ready is not None:
        yield _words(ready.reason or "not Ready", ready.message)


def _troubles(statuses: Sequence[ContainerStatus], prefix: str) -> Iterator[str]:
    """Give what is wrong with containers that were tried."""
    for one in statuses:
        waiting, ended, last = one.state.waiting, one.state.terminated, one.last_state.terminated
        if waiting is not None and waiting.reason not in STARTING:
            told = waiting.message
            if last is not None:  # says more than for how long the kubelet holds back
                told = f"{last.reason or 'ended'}, exit code {last.exit_code}, {one.restart_count} restarts"
            yield _words(f"{prefix}{waiting.reason}", told)
        if ended is not None and ended.exit_code:
            yield f"{prefix}{ended.reason or 'Error'}: exit code {ended.exit_code}"


def _words(reason: str, message: str) -> str:
    """Return a reason and its message in one short line."""
    line = " ".join(message.split())
    if len(line) > LONGEST_MESSAGE:
        line = f"{line[: LONGEST_MESSAGE - 1].rstrip()}…"
    return f"{reason}: {line}" if line else reason
