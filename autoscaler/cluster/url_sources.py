"""Where a URL with a password is: said outright, in the environment, a file, a Secret or the pod template.

Secrets are only ever read one by one, when a URL is needed.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.kinds import PodTemplate, Secret
from autoscaler.cluster.template import Environment, NotInTemplate, secrets_of, worker_container
from autoscaler.cluster.view import ClusterView
from autoscaler.cluster.workloads import KINDS, path_of
from autoscaler.config.model import TargetSettings
from autoscaler.config.sources import SecretKey
from autoscaler.ports import BrokerUnknown


class UrlSource(Protocol):
    """The keys of the configuration that say where a URL is: of a broker or of a database."""

    @property
    def url(self) -> str | None:
        """The URL itself."""
        ...

    @property
    def url_env(self) -> str | None:
        """The variable of the daemon's environment that holds it."""
        ...

    @property
    def url_file(self) -> str | None:
        """The file that holds it."""
        ...

    @property
    def secret(self) -> SecretKey | None:
        """The Secret that holds it."""
        ...

    @property
    def template_env(self) -> tuple[str, ...]:
        """The variables of the pod template that may hold it, where none of the others is given."""
        ...


class UrlSources:
    """Reads URLs from where they are, which may take a while.

    Everything here raises `BrokerUnknown` where that is not to be had; the text says why, without any
    credentials.
    """

    def __init__(self, api: Api, view: ClusterView) -> None:
        self._api = api
        self._view = view

    def template(self, target: TargetSettings, source: UrlSource) -> PodTemplate | None:
        """Return the pod template that a URL is to be taken from, None if there is none or none is."""
        if not from_template(source):
            return None
        found = self._view.workload(target.ref)
        return None if found is None else found.spec.template

    def database(self, target: TargetSettings) -> str:
        """Return the URL of the database of a target's Airflow."""
        source = target.airflow_database
        return self.read(target, source, self.template(target, source))

    def read(self, target: TargetSettings, source: UrlSource, template: PodTemplate | None) -> str:
        """Return a URL of a target."""
        try:
            return self._read(target, source, template).strip()
        except NotInTemplate as error:
            raise BrokerUnknown(str(error)) from error

    def _read(self, target: TargetSettings, source: UrlSource, template: PodTemplate | None) -> str:
        if source.url is not None:
            return source.url
        if source.url_env is not None:
            return _from_environment(source.url_env)
        if source.url_file is not None:
            return _from_file(source.url_file)
        if source.secret is not None:
            data = self._secret(target.namespace, source.secret.name)
            if source.secret.key not in data:
                raise BrokerUnknown(f"Secret {source.secret.name} has no key {source.secret.key}")
            return data[source.secret.key]
        if template is None:
            raise BrokerUnknown("the pod template has not been seen yet")
        return self._from_template(target, source, template)

    def _from_template(self, target: TargetSettings, source: UrlSource, template: PodTemplate) -> str:
        container = worker_container(template, target.broker.container)
        environment = Environment(container, lambda name: self._secret(target.namespace, name))
        for variable in source.template_env:
            value = environment.value(variable)
            if value:
                return value
        names = ", ".join(source.template_env)
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


def from_template(source: UrlSource) -> bool:
    """Whether a URL comes from the pod template."""
    return all(one is None for one in (source.url, source.url_env, source.url_file, source.secret))


def taken_from_template(target: TargetSettings) -> tuple[str, ...]:
    """Return the variables of the pod template that a target's URLs are looked for in."""
    database = target.airflow_database
    sources: Collection[UrlSource] = (target.broker, database) if database.used else (target.broker,)
    return tuple(variable for source in sources if from_template(source) for variable in source.template_env)


def template_secrets(api: Api, target: TargetSettings) -> tuple[str, ...]:
    """Return the Secrets that a target's URLs are read from, according to the pod template in the cluster.

    Raises `BrokerUnknown` where the target, or a worker in it, cannot be seen.
    """
    ref = target.ref
    try:
        found = api.get(path_of(ref), KINDS[ref.kind])
        container = worker_container(found.spec.template, target.broker.container)
    except (ApiError, NotInTemplate) as error:
        raise BrokerUnknown(str(error)) from error
    return secrets_of(container, taken_from_template(target))


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
