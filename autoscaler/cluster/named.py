"""What only the cluster knows the names of: Secrets of pod templates, and HPAs that scale the targets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from autoscaler.cluster import hpas
from autoscaler.cluster.client import Api
from autoscaler.cluster.url_sources import taken_from_template, template_secrets
from autoscaler.config.model import Settings, TargetSettings
from autoscaler.core.model import TargetRef
from autoscaler.core.policy import HpaMode
from autoscaler.ports import BrokerUnknown


@dataclass(slots=True)
class Named:
    """The names by target, and what could not be found out, with the reason."""

    secrets: dict[TargetRef, Collection[str]] = field(default_factory=dict)
    hpas: dict[TargetRef, Collection[str]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def asks_the_cluster(settings: Settings) -> bool:
    """Return whether a configuration leaves any name to the cluster."""
    return any(taken_from_template(target) or _floors(target) for target in settings.targets)


def named(settings: Settings, api: Api | None, why_not: str = "") -> Named:
    """Return the names that a configuration leaves to the cluster; without `api` none, for a reason."""
    found = Named()
    for target in settings.targets:
        if taken_from_template(target):
            _add_secrets(found, target, api, why_not)
        if _floors(target):
            _add_hpas(found, target, api, why_not)
    return found


def _add_secrets(found: Named, target: TargetSettings, api: Api | None, why_not: str) -> None:
    reason = why_not
    try:
        if api is not None:
            found.secrets[target.ref] = template_secrets(api, target)
            return
    except BrokerUnknown as error:
        reason = str(error)
    found.missing.append(f"the Secrets that the pod template of {target.ref} takes URLs from: {reason}")


def _add_hpas(found: Named, target: TargetSettings, api: Api | None, why_not: str) -> None:
    seen = None if api is None else hpas.on(api, target.ref)
    names = [] if seen is None else [one.name for one in seen.value or ()]
    if names:
        found.hpas[target.ref] = names
    else:
        reason = why_not if seen is None else seen.detail or "there is none yet"
        found.missing.append(f"the HPA of {target.ref}, whose minReplicas is to be moved: {reason}")


def _floors(target: TargetSettings) -> bool:
    return target.hpa == HpaMode.FLOOR
