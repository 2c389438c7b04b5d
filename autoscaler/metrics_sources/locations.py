"""Where the database of a target's Airflow is.

It is said outright, in the environment, a file, a Secret or the pod template. Reading a Secret or a
pod template is the cluster's affair, so that arrives from outside.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from autoscaler.config.model import TargetSettings
from autoscaler.metrics_sources.failure import SourceFailed
from autoscaler.ports import BrokerUnknown

ReadSecret = Callable[[str, str], Mapping[str, str]]
"""Returns what the Secret of a namespace and a name holds. Raises `BrokerUnknown`."""

ReadTemplate = Callable[[TargetSettings, str], str | None]
"""Returns a variable of a target's pod template, None where it is not set. Raises `BrokerUnknown`."""


class DatabaseLocations:
    """Finds the URLs of databases."""

    def __init__(self, secret: ReadSecret, template: ReadTemplate) -> None:
        self._secret = secret
        self._template = template

    def find(self, target: TargetSettings) -> str:
        """Return the URL of a target's database, which may take a while. Raises `SourceFailed`."""
        try:
            return self._find(target).strip()
        except BrokerUnknown as error:
            raise SourceFailed(str(error), reached=True) from error

    def _find(self, target: TargetSettings) -> str:
        database = target.airflow_database
        if database.url is not None:
            return database.url
        if database.url_env is not None:
            return _from_environment(database.url_env)
        if database.url_file is not None:
            return _from_file(database.url_file)
        if database.secret is None:
            return self._from_template(target)
        data = self._secret(target.namespace, database.secret.name)
        if database.secret.key not in data:
            raise BrokerUnknown(f"Secret {database.secret.name} has no key {database.secret.key}")
        return data[database.secret.key]

    def _from_template(self, target: TargetSettings) -> str:
        variables = target.airflow_database.template_env
        for variable in variables:
            value = self._template(target, variable)
            if value:
                return value
        raise BrokerUnknown(f"the pod template sets none of {', '.join(variables)}")


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise BrokerUnknown(f"the environment variable {name} is not set")
    return value


def _from_file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokerUnknown(f"cannot read {name} ({type(error).__name__})") from error
