"""The environment and the command line of a container, as its pod's spec words them.

Airflow's chart hands the broker's URL to its workers through secrets, so a sandbox that is to run
real workers must resolve what a kubelet resolves: values, references to other variables, secrets,
config maps and fields of the pod.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from http import HTTPStatus

from autoscaler.sandbox.errors import ApiError
from autoscaler.sandbox.objects.values import JSON, dig
from autoscaler.sandbox.store import Store

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")
_ENTRY = re.compile(r"metadata\.(?P<map>labels|annotations)\['(?P<key>.+)'\]")
_FIELDS = {
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.podIP",
}
_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap"}


class ConfigError(Exception):
    """A container cannot be made as its spec says; the text is the one that a kubelet gives."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the variable where there is one, and `$$` by `$`."""

    def replaced(found: re.Match[str]) -> str:
        name = found["name"]
        return "$" if name is None else variables.get(name, found[0])

    return _REFERENCE.sub(replaced, text)


def environment_of(store: Store, pod: JSON, container: JSON, given: Mapping[str, str]) -> dict[str, str]:
    """Return a container's variables: those given, then envFrom, then env, later ones first.

    Raises `ConfigError` for a secret, config map, key or field that is not there.
    """
    variables = dict(given)
    namespace = pod["metadata"]["namespace"]
    for source in container.get("envFrom", ()):
        for resource, word in (("secrets", "secretRef"), ("configmaps", "configMapRef")):
            if word in source:
                entries = _entries(store, resource, namespace, source[word]) or {}
                prefix = source.get("prefix", "")
                variables |= {f"{prefix}{key}": value for key, value in entries.items()}
    for entry in container.get("env", ()):
        value = _value_from(store, pod, entry["valueFrom"]) if "valueFrom" in entry else None
        if value is None and "valueFrom" not in entry:
            value = expand(entry.get("value", ""), variables)
        if value is not None:
            variables[entry["name"]] = value
    return variables


def command_of(container: JSON, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return a container's command line, empty when only its image knows it."""
    words = [*container.get("command", ()), *container.get("args", ())]
    return tuple(expand(word, variables) for word in words)


def _value_from(store: Store, pod: JSON, source: JSON) -> str | None:
    """Return the value that a reference points to, None for an optional one that is not there."""
    namespace = pod["metadata"]["namespace"]
    for resource, word in (("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")):
        if word in source:
            return _key(store, resource, namespace, source[word])
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"])
    raise ConfigError(f"the sandbox does not know valueFrom.{next(iter(source), '')}")


def _key(store: Store, resource: str, namespace: str, reference: JSON) -> str | None:
    entries = _entries(store, resource, namespace, reference)
    if entries is None or (reference["key"] not in entries and reference.get("optional")):
        return None
    if reference["key"] not in entries:
        where = f"{_KINDS[resource]} {namespace}/{reference['name']}"
        raise ConfigError(f"couldn't find key {reference['key']} in {where}")
    return entries[reference["key"]]


def _entries(store: Store, resource: str, namespace: str, reference: JSON) -> dict[str, str] | None:
    """Return all that a secret or config map holds, None for an optional one that does not exist."""
    try:
        found = store.get(resource, namespace, reference["name"])
    except ApiError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        if reference.get("optional"):
            return None
        raise ConfigError(error.message.replace(resource, resource.removesuffix("s"), 1)) from error
    data: dict[str, str] = found.get("data") or {}
    if resource == "secrets":
        return {key: base64.b64decode(value).decode() for key, value in data.items()}
    return data


def _field(pod: JSON, path: str) -> str:
    if entry := _ENTRY.fullmatch(path):
        return str((dig(pod, "metadata", entry["map"]) or {}).get(entry["key"], ""))
    if path not in _FIELDS:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(dig(pod, *path.split(".")) or "")
