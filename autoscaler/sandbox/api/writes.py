"""Writing: create, replace, patch, apply, delete, on objects and on their status and scale."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler.sandbox.api.access import reviewed_wish
from autoscaler.sandbox.api.apply import apply
from autoscaler.sandbox.api.bodies import check_identity, precondition, read_object, read_options
from autoscaler.sandbox.api.calls import Answer, Call
from autoscaler.sandbox.api.patches import APPLY_PATCH, read_patch, wrong_patch
from autoscaler.sandbox.api.scale import from_scale, to_scale, with_owners, wrong_replicas
from autoscaler.sandbox.errors import ApiError, conflict, invalid, invalid_value
from autoscaler.sandbox.objects.decode import DecodeError, decode
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.values import JSON
from autoscaler.sandbox.store import Store

CREATED = 201
_GONE = 404


def create(store: Store, call: Call) -> Answer:
    """Store a new object; a review is answered and forgotten."""
    kind, sent = call.route.kind, read_object(call)
    check_identity(call, sent)
    if sent["metadata"].get("resourceVersion"):
        raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
    if kind.namespaced:
        store.get("namespaces", "", str(call.route.namespace))
    new = store.create(kind.resource, sent, manager=call.manager, dry_run=call.dry_run)
    if not kind.kept:
        new["status"] = {"allowed": call.user.may(reviewed_wish(new))}
    return Answer(new, CREATED)


def update(store: Store, call: Call) -> Answer:
    """Replace an object, or its status or its replicas."""
    kind, sent = call.route.kind, read_object(call)
    if call.route.subresource == "scale":
        check_identity(call, sent, "Scale", "autoscaling/v1")
        return Answer(to_scale(_modify(store, call, from_scale(sent))))
    check_identity(call, sent)
    try:
        return Answer(_modify(store, call, lambda _old: _replacement(kind, sent)))
    except ApiError as error:
        if error.status != _GONE or not kind.create_by_update or call.route.subresource:
            raise
    return create(store, call)


def patch(store: Store, call: Call) -> Answer:
    """Change an object, or its status or its replicas, by a patch."""
    if call.content_type == APPLY_PATCH:
        new, created = apply(store, call)
        return Answer(new, CREATED if created else 200)
    change = read_patch(call.content_type, call.body)
    if call.route.subresource == "scale":
        return Answer(to_scale(_modify(store, call, lambda old: _scaled(old, change))))
    return Answer(_modify(store, call, lambda old: _patched(call, old, change)))


def delete(store: Store, call: Call) -> Answer:
    """Delete an object, or start to."""
    route, options = call.route, read_options(call)
    version = precondition(options, "resourceVersion")
    if version:
        found = store.get(route.kind.resource, route.namespace or "", route.name)["metadata"][
            "resourceVersion"
        ]
        if version != found:
            why = (
                f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in "
                f"record ({found}). The object might have been modified"
            )
            raise conflict(route.kind, route.name, why)
    last = _delete(store, call, route.namespace or "", route.name, options)
    if route.kind.returns_deleted:
        return Answer(last)
    details = {"name": route.name, "group": route.kind.group, "kind": route.kind.plural}
    details = {key: value for key, value in details.items() if value} | {"uid": last["metadata"]["uid"]}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return Answer(status | {"details": details})


def delete_all(store: Store, call: Call) -> Answer:
    """Delete all the objects that match the selectors."""
    kind, options = call.route.kind, read_options(call)
    objects, version = store.list(
        kind.resource,
        call.route.namespace,
        labels=call.params.get("labelSelector", ""),
        fields=call.params.get("fieldSelector", ""),
    )
    for obj in objects:
        meta = obj["metadata"]
        _delete(store, call, meta.get("namespace", ""), meta["name"], options)
    meta = {"resourceVersion": str(version)}
    return Answer(
        {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": objects}
    )


def _delete(store: Store, call: Call, namespace: str, name: str, options: JSON) -> JSON:
    return store.delete(
        call.route.kind.resource,
        namespace,
        name,
        grace_seconds=options.get("gracePeriodSeconds"),
        uid=precondition(options, "uid"),
        propagation=str(options.get("propagationPolicy") or ""),
        dry_run=bool(options["dryRun"]),
    )


def _modify(store: Store, call: Call, change: Callable[[JSON], JSON]) -> JSON:
    route = call.route
    return store.modify(
        route.kind.resource,
        route.namespace or "",
        route.name,
        change,
        manager=call.manager,
        subresource=route.subresource,
        dry_run=call.dry_run,
    )


def _replacement(kind: Kind, sent: JSON) -> JSON:
    """Return what replaces an object, which for some kinds must say which version it replaces."""
    if not kind.blind_update and not sent["metadata"].get("resourceVersion"):
        rule = invalid_value("metadata.resourceVersion", "0x0", "must be specified for an update")
        raise invalid(kind.group, kind.plural, sent["metadata"]["name"], [rule])
    return sent


def _patched(call: Call, old: JSON, change: Callable[[JSON], JSON]) -> JSON:
    patched = change(old)
    try:
        decode(call.route.kind, patched)
    except DecodeError as error:
        raise wrong_patch(patched, str(error)) from error
    check_identity(call, patched)
    return patched


def _scaled(old: JSON, change: Callable[[JSON], JSON]) -> JSON:
    scale = change(with_owners(to_scale(old), old))
    if complaint := wrong_replicas(scale):
        raise wrong_patch(scale, complaint)
    return from_scale(scale)(old)
