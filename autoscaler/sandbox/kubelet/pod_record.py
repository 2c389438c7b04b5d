"""A pod as it stands in the store: what its node reads of it, and tells of it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.kubelet.node import Node
from autoscaler.sandbox.kubelet.pod_status import ContainerView, pod_status, unscheduled_status
from autoscaler.sandbox.objects.values import JSON

KUBELET, SCHEDULER = "kubelet", "kube-scheduler"
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT}  # or another one has its name


class PodRecord:
    """One pod by its uid. What is told of a pod that is gone is told to nobody."""

    def __init__(self, node: Node, pod: JSON) -> None:
        self.metadata: JSON = pod["metadata"]
        self.address = ""
        self._node = node

    def read(self) -> JSON | None:
        """Return the pod as it is now, None when it is gone."""
        try:
            pod = self._node.store.get("pods", self.metadata["namespace"], self.metadata["name"])
        except ApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        return pod if pod["metadata"]["uid"] == self.metadata["uid"] else None

    def bind(self, node_name: str) -> None:
        """Give the pod to a node."""
        self._write(lambda pod: {**pod, "spec": {**pod["spec"], "nodeName": node_name}}, SCHEDULER, "")

    def unscheduled(self, message: str) -> None:
        """Tell why no node may have the pod."""
        self._tell(lambda pod: unscheduled_status(pod, message, self._node.clock()), SCHEDULER)

    def show(self, view: ContainerView, phase: str) -> None:
        """Tell how the pod's container is."""
        self._tell(lambda pod: pod_status(pod, view, phase, self.address, self._node.clock()), KUBELET)

    def remove(self) -> None:
        """Take the pod out of the store: it has ended."""
        namespace, name, uid = (self.metadata[key] for key in ("namespace", "name", "uid"))
        try:
            self._node.store.delete("pods", namespace, name, grace_seconds=0, uid=uid)
        except ApiError as error:
            if error.status not in _GONE:
                raise

    def _tell(self, status: Callable[[JSON], JSON], manager: str) -> None:
        self._write(lambda pod: {**pod, "status": status(pod)}, manager, "status")

    def _write(self, change: Callable[[JSON], JSON], manager: str, subresource: str) -> None:
        def changed(pod: JSON) -> JSON:
            new = change(pod)
            return {**new, "metadata": {**new["metadata"], "uid": self.metadata["uid"]}}

        namespace, name = self.metadata["namespace"], self.metadata["name"]
        try:
            self._node.store.modify(
                "pods", namespace, name, changed, manager=manager, subresource=subresource
            )
        except ApiError as error:
            if error.status not in _GONE:
                raise
