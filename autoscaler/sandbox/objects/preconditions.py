"""What must hold before a write: it can be read, and it was meant for the object as it is now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from autoscaler.sandbox.errors import bad_request, conflict
from autoscaler.sandbox.objects.decode import DecodeError
from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.values import JSON, dig


@contextmanager
def decoding(kind: Kind) -> Iterator[None]:
    """Turn what the decoder cannot read into `ApiError` 400."""
    try:
        yield
    except DecodeError as error:
        what = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}'
        raise bad_request(f"{what}: {error}") from error


def check_basis(kind: Kind, old: JSON, sent: JSON) -> None:
    """Refuse a write that was based on another state or another object. Raises `ApiError` 409."""
    name = old["metadata"]["name"]
    if dig(sent, "metadata", "resourceVersion") not in {None, "", old["metadata"]["resourceVersion"]}:
        raise conflict(kind, name)
    uid, own = dig(sent, "metadata", "uid"), old["metadata"]["uid"]
    if uid not in {None, "", own}:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {own}"
        raise conflict(kind, name, why)


def check_uid(kind: Kind, old: JSON, uid: str) -> None:
    """Refuse the deletion of another object of the same name. Raises `ApiError` 409."""
    own = old["metadata"]["uid"]
    if uid not in {"", own}:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({own}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(kind, old["metadata"]["name"], why)
