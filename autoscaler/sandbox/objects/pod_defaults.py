"""What a pod, or the template of one, becomes where its author said nothing."""

from __future__ import annotations

from collections.abc import Iterator

from autoscaler.sandbox.objects.values import JSON, dig

GRACE_SECONDS = 30
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_FILE_MODE = 0o644


def containers_of(spec: JSON) -> Iterator[JSON]:
    """Yield the init containers and the containers of a pod's spec."""
    for field in ("initContainers", "containers"):
        yield from spec.get(field) or []


def default_template(spec: JSON) -> None:
    """Complete the spec of a pod template in place."""
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", GRACE_SECONDS)
    if "serviceAccountName" in spec:
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    for container in containers_of(spec):
        _default_container(container)
    for volume in spec.get("volumes") or []:
        for source in ("secret", "configMap", "projected"):
            if source in volume:
                volume[source].setdefault("defaultMode", _FILE_MODE)


def default_pod(spec: JSON) -> None:
    """Complete the spec of a pod in place; what is limited and not requested is requested."""
    default_template(spec)
    spec.setdefault("enableServiceLinks", True)
    for container in containers_of(spec):
        resources = container["resources"]
        if resources.get("limits"):
            resources["requests"] = resources["limits"] | resources.get("requests", {})


def _default_container(container: JSON) -> None:
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition(":")[2]
    latest = tag in {"", "latest"} and "@" not in image
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or []:
        if isinstance(reference := dig(variable, "valueFrom", "fieldRef"), dict):
            reference.setdefault("apiVersion", "v1")
    for name in _PROBES:
        if isinstance(probe := container.get(name), dict):
            probe.update(_PROBE | probe)
            if isinstance(request := probe.get("httpGet"), dict):
                request.setdefault("path", "/")
                request.setdefault("scheme", "HTTP")
