"""Requests to apply a configuration server-side, on an object, its status or its scale."""

from __future__ import annotations

from dataclasses import dataclass, field

from autoscaler.sandbox.api.bodies import check_identity, read_object
from autoscaler.sandbox.api.calls import Call
from autoscaler.sandbox.api.scale import to_scale
from autoscaler.sandbox.errors import ApiError, bad_request, invalid, required
from autoscaler.sandbox.objects import applying, owners
from autoscaler.sandbox.objects.owners import APPLY, Claim, Owner
from autoscaler.sandbox.objects.values import JSON, dig, stamp
from autoscaler.sandbox.store import Store

_GONE = 404


@dataclass(slots=True)
class _Application:
    """One configuration on its way into the store."""

    call: Call
    config: JSON
    now: str
    claims: list[Claim] = field(default_factory=list)

    @property
    def owner(self) -> Owner:
        return Owner(self.call.manager, APPLY, self.call.route.kind.api_version, self.call.route.subresource)

    def change(self, live: JSON) -> JSON:
        """Return the object with the configuration applied, and remember who owns what then."""
        force = self.call.flag("force")
        kind = self.call.route.kind
        new, self.claims = applying.merged(kind, live, self.config, self.owner, self.now, force=force)
        return new

    def record(self, _old: JSON, new: JSON) -> None:
        """Write down who owns what."""
        owners.write(new, self.claims or applying.first_claims(self.config, self.owner, self.now))


def apply(store: Store, call: Call) -> tuple[JSON, bool]:
    """Apply the configuration in a request's body; return the object and whether it is new.

    Raises `ApiError`: 400, 409 for conflicts unless the request says `force`, 422.
    """
    route = call.route
    application = _Application(call, _read_config(call), stamp(store.clock()))
    try:
        new = store.modify(
            route.kind.resource,
            route.namespace or "",
            route.name,
            application.change,
            subresource=route.subresource,
            dry_run=call.dry_run,
            record=application.record,
        )
    except ApiError as error:
        if error.status != _GONE or route.subresource:
            raise
        return _create(store, call, application), True
    return (to_scale(new) if route.subresource == "scale" else new), False


def _create(store: Store, call: Call, application: _Application) -> JSON:
    kind = call.route.kind
    if kind.namespaced:
        store.get("namespaces", "", str(call.route.namespace))
    return store.create(kind.resource, application.config, dry_run=call.dry_run, record=application.record)


def _read_config(call: Call) -> JSON:
    if not call.params.get("fieldManager"):
        rule = required("fieldManager", "is required for apply patch")
        raise invalid("meta.k8s.io", "PatchOptions", "", [rule])
    config = read_object(call)
    if config["metadata"].get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if call.route.subresource != "scale":
        check_identity(call, config)
        return config
    check_identity(call, config, "Scale", "autoscaling/v1")
    replicas = dig(config, "spec", "replicas")
    if replicas is None:
        raise bad_request("a Scale to apply must say how many replicas")
    return {"metadata": config["metadata"], "spec": {"replicas": replicas}}
