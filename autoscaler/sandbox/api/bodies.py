"""Bodies of requests: JSON or YAML, and the object that one must be for its path."""

from __future__ import annotations

import msgspec
import yaml

from autoscaler.sandbox.api.calls import Call
from autoscaler.sandbox.errors import bad_request, unsupported_media_type
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.values import JSON, dig

_YAML = ("application/yaml", "application/apply-patch+yaml")
_JSON = ("", "application/json")


def read_object(call: Call) -> JSON:
    """Return the object in a request's body. Raises `ApiError` 400 or 415."""
    if call.content_type in _YAML:
        sent = _read_yaml(call.body)
    elif call.content_type in _JSON:
        sent = _read_json(call.body)
    else:
        raise unsupported_media_type((*_JSON[1:], *_YAML[:1]))
    if not isinstance(sent, dict):
        raise bad_request("the body of the request is not an object")
    if not isinstance(sent.setdefault("metadata", {}), dict):
        raise bad_request("the metadata of the object is not an object")
    return sent


def check_identity(call: Call, sent: JSON, kind: str = "", api_version: str = "") -> None:
    """Refuse an object that is of another kind, or lies elsewhere, than its path says.

    What the object leaves out is filled in from the path. Raises `ApiError` 400.
    """
    route = call.route
    _check_kind(route.kind, sent, kind or route.kind.kind, api_version or route.kind.api_version)
    meta = sent["metadata"]
    if route.kind.namespaced and (meta.get("namespace") or route.namespace) != route.namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if route.kind.namespaced:
        meta["namespace"] = route.namespace
    if route.name and (meta.get("name") or route.name) != route.name:
        raise bad_request(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({route.name})"
        )
    if route.name:
        meta["name"] = route.name


def read_options(call: Call) -> JSON:
    """Return the DeleteOptions of a request: those of its body, or of its parameters."""
    options: JSON = read_object(call) if call.body else {}
    for name in ("gracePeriodSeconds", "propagationPolicy", "dryRun"):
        if name in call.params and name not in options:
            options[name] = call.params[name]
    grace = options.get("gracePeriodSeconds")
    if grace is not None:
        try:
            options["gracePeriodSeconds"] = int(grace)
        except (TypeError, ValueError) as error:
            raise bad_request(f"invalid gracePeriodSeconds: {grace!r}") from error
    options["dryRun"] = "All" in (options.get("dryRun") or ())
    return options


def precondition(options: JSON, field: str) -> str:
    """Return a precondition of a deletion, "" where there is none."""
    return str(dig(options, "preconditions", field) or "")


def _check_kind(kind: Kind, sent: JSON, name: str, api_version: str) -> None:
    version = sent.get("apiVersion") or api_version
    if version != api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({api_version})"
        )
    if (sent.get("kind") or name) != name:
        raise bad_request(f'{sent["kind"]} in version "{kind.version}" cannot be handled as a {name}')


def _read_json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def _read_yaml(body: bytes) -> object:
    try:
        return yaml.safe_load(body)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error
