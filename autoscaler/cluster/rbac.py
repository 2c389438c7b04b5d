"""Which rights the daemon needs, worked out from its configuration: these and no others.

An autoscaler that may read every Secret is the best way into a cluster. So each namespace has a Role
of its own that names the workloads which may be scaled, the HPAs whose minimum may be moved and the
Secrets which may be read, and a daemon in dry run is not given the right to scale anything at all. Rules
of a Role only add up, and a list or a watch cannot be held to names, so reading workloads, pods and HPAs
is for the whole namespace.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from autoscaler.cluster.url_sources import taken_from_template
from autoscaler.cluster.workloads import PLURALS
from autoscaler.config.model import Settings, TargetSettings
from autoscaler.core.model import TargetRef
from autoscaler.core.policy import HpaMode

Manifest = dict[str, Any]

GROUP = "rbac.authorization.k8s.io"
NAME = "celery-autoscaler"
HEADER = "# What celery-autoscaler may do, as `autoscaler rbac` works it out from the configuration.\n"
LINE_WIDTH = 110
QUOTA_PLURALS = ("resourcequotas", "limitranges", "persistentvolumeclaims")
"""What tells how many more pods a namespace admits."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """The account that the daemon runs under."""

    namespace: str = NAME
    name: str = NAME


def rights(
    settings: Settings,
    template_secrets: Mapping[TargetRef, Collection[str]],
    account: ServiceAccount,
    hpas: Mapping[TargetRef, Collection[str]] | None = None,
) -> tuple[Manifest, ...]:
    """Return the roles that the settings call for, each followed by its binding to the account.

    `template_secrets` are the names of the Secrets that the pod template of a target takes its
    URLs from. They count only for a target of which a URL comes from there; one that is missing may
    read no Secret of its template. `hpas` are the names of the HorizontalPodAutoscalers that scale a target
    too; they count only where its mode is floor, and one that is missing may not be written to.
    """
    documents: list[Manifest] = []
    if settings.controller.cluster_wide:
        documents += _bound("ClusterRole", None, _reading(settings.targets), account)
    for namespace in sorted({target.namespace for target in settings.targets}):
        targets = [target for target in settings.targets if target.namespace == namespace]
        rules = _scaling(targets, dry_run=settings.controller.dry_run)  # first, where overlays find them
        if not settings.controller.dry_run:
            rules.append(_telling())
        rules += [] if settings.controller.cluster_wide else _reading(targets)
        floored = {name for target in targets for name in _floored(target, hpas or {})}
        if floored and not settings.controller.dry_run:
            rules.append(_rule("autoscaling", "horizontalpodautoscalers", ["patch"], floored))
        secrets = {name for target in targets for name in _secrets(target, template_secrets)}
        if secrets:
            rules.append(_rule("", "secrets", ["get"], secrets))
        documents += _bound("Role", namespace, rules, account)
    if not settings.controller.dry_run:
        home = settings.controller.namespace or account.namespace
        documents += _bound("Role", home, _state(), account, f"{NAME}-state")
    return tuple(documents)


def render(documents: Iterable[Manifest]) -> str:
    """Return manifests as YAML documents that `kubectl apply` accepts."""
    return HEADER + yaml.safe_dump_all(
        documents,
        explicit_start=True,
        sort_keys=False,
        default_flow_style=None,  # what holds only words stands on one line
        width=LINE_WIDTH,
    )


def _reading(targets: Iterable[TargetSettings]) -> list[Manifest]:
    verbs = ["get", "list", "watch"]
    rules = [_rule("apps", "statefulsets", verbs), _rule("", "pods", verbs)]
    rules += [_rule("", plural, verbs) for plural in QUOTA_PLURALS]
    if any(target.kind == "Deployment" for target in targets):
        rules += [_rule("apps", "deployments", verbs), _rule("apps", "replicasets", verbs)]
    rules.append(_rule("autoscaling", "horizontalpodautoscalers", verbs))
    return rules


def _scaling(targets: Collection[TargetSettings], *, dry_run: bool) -> list[Manifest]:
    """Return the right to scale the targets by name, and where one is a Deployment to mark its pods.

    Pods have no names that could be known before, so that one is for all pods of the namespace.
    """
    verbs = ["get"] if dry_run else ["get", "patch"]
    rules = []
    for kind, plural in PLURALS.items():
        names = {target.name for target in targets if target.kind == kind}
        if names:
            rules.append(_rule("apps", f"{plural}/scale", verbs, names))
    if not dry_run and any(target.kind == "Deployment" for target in targets):
        rules.append(_rule("", "pods", ["patch"]))
    return rules


def _telling() -> Manifest:
    """Return the right to tell at the targets what happened to them, and that it happened again.

    An Event has a name of its own, so it is for all of the namespace.
    """
    return _rule("", "events", ["create", "patch"])


def _state() -> list[Manifest]:
    """Return the right to remember in its own namespace what it has to undo: cordons, and HPAs' floors."""
    return [_rule("", "configmaps", ["get", "list", "watch", "create", "patch", "delete"])]


def _floored(target: TargetSettings, hpas: Mapping[TargetRef, Collection[str]]) -> Collection[str]:
    return hpas.get(target.ref, ()) if target.hpa == HpaMode.FLOOR else ()


def _secrets(target: TargetSettings, template_secrets: Mapping[TargetRef, Collection[str]]) -> Iterable[str]:
    for source in (target.broker, target.airflow_database):
        if source.secret is not None:
            yield source.secret.name
    if taken_from_template(target):
        yield from template_secrets.get(target.ref, ())


def _rule(group: str, resource: str, verbs: list[str], names: Collection[str] = ()) -> Manifest:
    rule: Manifest = {"apiGroups": [group], "resources": [resource]}
    if names:  # an empty list of names would mean all of them
        rule["resourceNames"] = sorted(names)
    return rule | {"verbs": list(verbs)}


def _bound(
    kind: str,
    namespace: str | None,
    rules: list[Manifest],
    account: ServiceAccount,
    name: str = NAME,
) -> list[Manifest]:
    subject = {"kind": "ServiceAccount", "name": account.name, "namespace": account.namespace}
    return [
        _manifest(kind, namespace, name) | {"rules": rules},
        _manifest(f"{kind}Binding", namespace, name)
        | {"roleRef": {"apiGroup": GROUP, "kind": kind, "name": name}, "subjects": [subject]},
    ]


def _manifest(kind: str, namespace: str | None, name: str) -> Manifest:
    metadata: Manifest = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    metadata["labels"] = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/part-of": NAME}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}
