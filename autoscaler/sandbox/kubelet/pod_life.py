"""The life of one pod: given to a node, told to end, ended within its grace, removed."""

from __future__ import annotations

from autoscaler.sandbox.agenda import Timer
from autoscaler.sandbox.kubelet.container_run import ContainerRun
from autoscaler.sandbox.kubelet.node import Ending, Node
from autoscaler.sandbox.kubelet.pod_record import PodRecord
from autoscaler.sandbox.objects.values import JSON, dig

UNSCHEDULABLE = "sandbox/unschedulable"  # "true" in a pod's annotation of this name: no node may have it


class PodLife:
    """One pod from its creation to its end, `scheduled` from when it has a node.

    Everything here happens on the agenda.

    `begin` comes first, `observe` after each change of the pod in the store, `vanish` when it was
    removed there by force.
    """

    def __init__(self, node: Node, pod: JSON) -> None:
        self._node = node
        self._record = PodRecord(node, pod)
        self._run = ContainerRun(node, self._record, pod, self._over)
        self._pre_stop = dig(pod["spec"]["containers"][0], "lifecycle", "preStop", "exec", "command")
        self.scheduled = False
        self._told_at: float | None = None
        self._last_call: Timer | None = None
        self._killed = False

    def begin(self, pod: JSON) -> None:
        """Give the pod to a node, unless none may have it."""
        if (pod["metadata"].get("annotations") or {}).get(UNSCHEDULABLE) == "true":
            self._record.unscheduled("0/3 nodes are available: the pod asks to be unschedulable.")
            return
        if not self._node.has_room():
            self._record.unscheduled("0/3 nodes are available: 3 Too many pods.")
            return
        self.scheduled = True
        self._record.bind(self._node.name())
        self._run.start_after(self._node.startup_seconds())

    def observe(self, pod: JSON) -> None:
        """Take note of the pod as it stands in the store now."""
        if "deletionTimestamp" in pod["metadata"]:
            self._end(float(pod["metadata"].get("deletionGracePeriodSeconds", 0)))
        elif dig(pod, "status", "phase") in {"Failed", "Succeeded"}:
            self._give_up()
        elif not self.scheduled:
            self.begin(pod)
        else:
            self._run.retry_pull()

    def retry(self) -> None:
        """Look for a node once more."""
        pod = self._record.read()
        if pod is not None:
            self.observe(pod)

    def vanish(self) -> None:
        """End what runs, without anybody left to be told."""
        self._end(0.0)

    def _give_up(self) -> None:
        """End the container of a pod that somebody else has declared over; the pod stays as it is."""
        self._run.halt()
        if self._run.container is not None:
            self._run.container.kill()

    def _over(self, code: int) -> None:
        """Carry on after the container's last exit."""
        if self._told_at is not None:
            self._finish(code)
        elif not self._run.halted:
            self._record.show(self._run.view, _last_phase(code))

    def _end(self, grace_seconds: float) -> None:
        """End the container within the grace, which counts from the first request, and then the pod."""
        if self._told_at is not None:
            if self._last_call is not None:
                self._call_last(self._told_at + grace_seconds)
            return
        self._told_at = self._node.agenda.now()
        until = self._told_at + grace_seconds
        self._run.halt()
        container = self._run.container
        if container is None:
            self._finish(None)
        elif self._pre_stop and grace_seconds:
            container.execute(tuple(self._pre_stop), grace_seconds, lambda _: self._terminate(until))
        else:
            self._terminate(until)

    def _terminate(self, until: float) -> None:
        if self._run.container is not None:
            self._run.container.terminate()
            self._call_last(until)

    def _call_last(self, until: float) -> None:
        """Kill the container at a time, but never sooner than after the least grace."""
        if self._last_call is not None:
            self._last_call.cancel()
        left = until - self._node.agenda.now()
        self._last_call = self._node.agenda.later(max(left, self._node.rules.least_grace_seconds), self._kill)

    def _kill(self) -> None:
        if self._run.container is not None:
            self._killed = True
            self._run.container.kill()

    def _finish(self, code: int | None) -> None:
        if self._last_call is not None:
            self._last_call.cancel()
        if code is not None:
            self._record.show(self._run.view, _last_phase(code))
        metadata, now = self._record.metadata, self._node.agenda.now()
        ending = Ending(
            namespace=metadata["namespace"],
            pod=metadata["name"],
            uid=metadata["uid"],
            exit_code=code,
            killed=self._killed,
            ending_seconds=now - (now if self._told_at is None else self._told_at),
        )
        self._node.ended(ending)
        self._record.remove()


def _last_phase(code: int) -> str:
    return "Failed" if code else "Succeeded"
