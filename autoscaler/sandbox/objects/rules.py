"""What an object must fulfil to be stored: the rules that clients run into, in the server's words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping

from autoscaler.sandbox.errors import ApiError, Cause, forbidden_value, invalid, invalid_value, required
from autoscaler.sandbox.objects import selectors
from autoscaler.sandbox.objects.claim_rules import claim_causes, priority_class_causes, runtime_class_causes
from autoscaler.sandbox.objects.deletion_cost import DELETION_COST, deletion_cost
from autoscaler.sandbox.objects.event_rules import event_causes
from autoscaler.sandbox.objects.hpa_rules import autoscaler_causes
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.limit_range_rules import limit_range_causes
from autoscaler.sandbox.objects.quota_rules import quota_causes
from autoscaler.sandbox.objects.resource_rules import pod_resource_causes
from autoscaler.sandbox.objects.values import JSON, dig

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_SUBDOMAIN.pattern}')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    f"'{_LABEL.pattern}')"
)
_LONGEST_NAME, _LONGEST_LABEL = 253, 63

_STATEFUL_SET_MAY_CHANGE = {
    "minReadySeconds",
    "ordinals",
    "persistentVolumeClaimRetentionPolicy",
    "replicas",
    "revisionHistoryLimit",
    "template",
    "updateStrategy",
}
_STATEFUL_SET_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)


def check(kind: Kind, obj: JSON, old: JSON | None = None, *, features: Collection[str] = ()) -> None:
    """Raise `ApiError` 422 with every rule that an object breaks; `old` is what it would replace.

    `features` are the feature gates that are on.
    """
    causes = [*_name_causes(kind, obj["metadata"])]
    if kind.resource == "horizontalpodautoscalers.autoscaling":
        causes += autoscaler_causes(obj, old, features)
    elif rules := _RULES.get(kind.resource):
        causes += rules(obj, old)
    if causes:
        raise refusal(kind, obj["metadata"].get("name", ""), causes)


def refusal(kind: Kind, name: str, causes: list[Cause]) -> ApiError:
    """Return the error for an object of a kind that breaks rules."""
    return invalid(kind.group, kind.kind, name, causes)


def not_negative(path: str, value: int | None) -> Iterator[Cause]:
    """Yield a cause where a number is below zero."""
    if value is not None and value < 0:
        yield invalid_value(path, str(value), "must be greater than or equal to 0")


def _name_causes(kind: Kind, meta: JSON) -> Iterator[Cause]:
    name = meta.get("name", "")
    if kind.kept and not name:
        yield required("metadata.name", "name or generateName is required")
    elif kind.resource == "namespaces" and (len(name) > _LONGEST_LABEL or not _LABEL.fullmatch(name)):
        yield invalid_value("metadata.name", json.dumps(name), _LABEL_RULE)
    elif name and (len(name) > _LONGEST_NAME or not _SUBDOMAIN.fullmatch(name)):
        yield invalid_value("metadata.name", json.dumps(name), _SUBDOMAIN_RULE)


def _workload_causes(obj: JSON, old: JSON | None) -> Iterator[Cause]:
    spec = obj["spec"]
    yield from not_negative("spec.replicas", spec.get("replicas"))
    if not spec["selector"]:
        yield required("spec.selector")
    else:
        labels = dig(spec, "template", "metadata", "labels") or {}
        chosen = selectors.parse_object(spec["selector"])
        if not chosen.matches({"metadata": {"labels": labels}}):
            shown = json.dumps(labels, separators=(",", ":"), sort_keys=True)
            rule = "`selector` does not match template `labels`"
            yield invalid_value("spec.template.metadata.labels", shown, rule)
    if old is None or _cost_of(old["spec"]["template"]) is not None:
        yield from _cost_causes("spec.template.annotations", spec["template"])
    yield from _container_causes("spec.template.spec", spec["template"]["spec"])
    if spec["template"]["spec"].get("activeDeadlineSeconds") is not None:
        kind = "StatefulSet" if obj["kind"] == "StatefulSet" else "ReplicaSet"
        rule = f"activeDeadlineSeconds in {kind} is not Supported"
        yield forbidden_value("spec.template.spec.activeDeadlineSeconds", rule)
    if old is not None and obj["kind"] == "StatefulSet":
        fixed = [field for field in {*spec, *old["spec"]} if spec.get(field) != old["spec"].get(field)]
        if not _STATEFUL_SET_MAY_CHANGE.issuperset(fixed):
            yield forbidden_value("spec", _STATEFUL_SET_FIXED)
    elif old is not None and spec["selector"] != old["spec"]["selector"]:
        shown = json.dumps(spec["selector"], separators=(",", ":"), sort_keys=True)
        yield invalid_value("spec.selector", shown, "field is immutable")


def _pod_causes(obj: JSON, old: JSON | None) -> Iterator[Cause]:
    if old is None or _cost_of(old) is not None:
        yield from _cost_causes("metadata.annotations", obj)
    yield from _container_causes("spec", obj["spec"])
    seconds = obj["spec"].get("activeDeadlineSeconds")
    if seconds is not None and seconds < 1:
        rule = f"must be between 1 and {2**31 - 1}, inclusive"
        yield invalid_value("spec.activeDeadlineSeconds", str(seconds), rule)


def _cost_of(pod: JSON) -> int | None:
    return deletion_cost(dig(pod, "metadata", "annotations") or {})


def _cost_causes(path: str, pod: JSON) -> Iterator[Cause]:
    if _cost_of(pod) is None:
        shown = json.dumps(pod["metadata"]["annotations"][DELETION_COST], ensure_ascii=False)
        yield invalid_value(f"{path}[{DELETION_COST}]", shown, "must be a 32bit integer")


def _container_causes(path: str, spec: JSON) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    for index, container in enumerate(spec.get("containers") or []):
        for field in ("name", "image"):
            if not container.get(field):
                yield required(f"{path}.containers[{index}].{field}")
    yield from pod_resource_causes(path, spec)


def _lease_causes(obj: JSON, _old: JSON | None) -> Iterator[Cause]:
    spec = obj["spec"]
    seconds, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield invalid_value("spec.leaseDurationSeconds", str(seconds), "must be greater than 0")
    yield from not_negative("spec.leaseTransitions", transitions)


_RULES: Mapping[str, Callable[[JSON, JSON | None], Iterator[Cause]]] = {
    "deployments.apps": _workload_causes,
    "events": event_causes,
    "events.events.k8s.io": event_causes,
    "leases.coordination.k8s.io": _lease_causes,
    "limitranges": limit_range_causes,
    "persistentvolumeclaims": claim_causes,
    "pods": _pod_causes,
    "priorityclasses.scheduling.k8s.io": priority_class_causes,
    "replicasets.apps": _workload_causes,
    "resourcequotas": quota_causes,
    "runtimeclasses.node.k8s.io": runtime_class_causes,
    "statefulsets.apps": _workload_causes,
}
