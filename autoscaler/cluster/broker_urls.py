"""Where a target's broker is: said outright, in the environment, a file, a Secret or the pod template.

Secrets are only ever read one by one, when a URL is needed and not known: at first sight, when the pod
template changes, and after an authentication failure. A failure is remembered for a while too, so that
a Secret that is missing is not asked for at every tick.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.kinds import PodTemplate, Secret, StatefulSet
from autoscaler.cluster.template import Environment, NotInTemplate, secrets_of, worker_container
from autoscaler.cluster.view import ClusterView
from autoscaler.config.model import BrokerSettings, TargetSettings
from autoscaler.core.model import TargetRef
from autoscaler.ports import BrokerUnknown

REFRESH_SECONDS = 10.0
"""The shortest time between two looks for the same URL."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a look for a URL gave: the URL or the reason why there is none, never both."""

    at: float
    template: PodTemplate | None
    url: str = field(repr=False)
    reason: str


class ClusterBrokerUrls:
    """Implements `BrokerUrls`."""

    def __init__(self, api: Api, view: ClusterView, clock: Callable[[], float]) -> None:
        self._api = api
        self._view = view
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[TargetRef, Found] = {}
        self._doubted: set[TargetRef] = set()

    def known(self, target: TargetSettings) -> str | None:
        """Return the URL from memory. See `BrokerUrls`."""
        with self._lock:
            found = self._found.get(target.ref)
            doubted = target.ref in self._doubted
        if found is None or found.template != self._template(target):
            return None
        if self._clock() - found.at >= REFRESH_SECONDS and (found.reason or doubted):
            return None
        if found.reason:
            raise BrokerUnknown(found.reason)
        return found.url

    def look(self, target: TargetSettings) -> None:
        """Look for the URL. See `BrokerUrls`."""
        template = self._template(target)
        try:
            found = Found(self._clock(), template, self._read(target, template).strip(), "")
        except (BrokerUnknown, NotInTemplate) as error:
            found = Found(self._clock(), template, "", str(error))
        with self._lock:
            self._found[target.ref] = found
            self._doubted.discard(target.ref)

    def doubt(self, target: TargetSettings) -> None:
        """Take note that the URL does not work. See `BrokerUrls`."""
        with self._lock:
            self._doubted.add(target.ref)

    def _template(self, target: TargetSettings) -> PodTemplate | None:
        if not from_template(target.broker):
            return None
        found = self._view.stateful_set(target.ref)
        return None if found is None else found.spec.template

    def _read(self, target: TargetSettings, template: PodTemplate | None) -> str:
        broker = target.broker
        if broker.url is not None:
            return broker.url
        if broker.url_env is not None:
            return _from_environment(broker.url_env)
        if broker.url_file is not None:
            return _from_file(broker.url_file)
        if broker.secret is not None:
            data = self._secret(target.namespace, broker.secret.name)
            if broker.secret.key not in data:
                raise BrokerUnknown(f"Secret {broker.secret.name} has no key {broker.secret.key}")
            return data[broker.secret.key]
        if template is None:
            raise BrokerUnknown("the pod template has not been seen yet")
        return self._from_template(target, template)

    def _from_template(self, target: TargetSettings, template: PodTemplate) -> str:
        container = worker_container(template, target.broker.container)
        environment = Environment(container, lambda name: self._secret(target.namespace, name))
        for variable in target.broker.template_env:
            value = environment.value(variable)
            if value:
                return value
        names = ", ".join(target.broker.template_env)
        raise BrokerUnknown(f"container {container.name} of the pod template sets none of {names}")

    def _secret(self, namespace: str, name: str) -> Mapping[str, str]:
        try:
            secret = self._api.get(f"/api/v1/namespaces/{namespace}/secrets/{name}", Secret)
        except ApiError as error:
            raise BrokerUnknown(f"Secret {namespace}/{name}: {error.message}") from error
        try:
            return {key: base64.b64decode(value).decode() for key, value in (secret.data or {}).items()}
        except (binascii.Error, UnicodeDecodeError) as error:
            raise BrokerUnknown(f"Secret {namespace}/{name} holds something that is no text") from error


def from_template(broker: BrokerSettings) -> bool:
    """Whether the URL comes from the pod template."""
    return all(source is None for source in (broker.url, broker.url_env, broker.url_file, broker.secret))


def template_secrets(api: Api, target: TargetSettings) -> tuple[str, ...]:
    """Return the Secrets that the URL is read from according to the pod template in the cluster.

    Raises `BrokerUnknown` where the target, or a worker in it, cannot be seen.
    """
    ref = target.ref
    try:
        found = api.get(f"/apis/apps/v1/namespaces/{ref.namespace}/statefulsets/{ref.name}", StatefulSet)
        container = worker_container(found.spec.template, target.broker.container)
    except (ApiError, NotInTemplate) as error:
        raise BrokerUnknown(str(error)) from error
    return secrets_of(container, target.broker.template_env)


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise BrokerUnknown(f"the environment variable {name} is not set")
    return value


def _from_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerUnknown(f"cannot read {name}: {getattr(error, 'strerror', None) or error}") from error
