"""Who owns which field of an object (`metadata.managedFields`), kept up to date by every write."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from autoscaler.sandbox.objects import field_sets
from autoscaler.sandbox.objects.field_sets import Paths
from autoscaler.sandbox.objects.values import JSON

UPDATE, APPLY = "Update", "Apply"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who wrote, by which operation, in which version, through which subresource."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """The fields of an owner, and when it last wrote; writes through /scale leave no time."""

    owner: Owner
    paths: Paths
    time: str | None

    def without(self, paths: Iterable[field_sets.Path]) -> Claim:
        """Return the claim after others took some paths."""
        return replace(self, paths=self.paths.difference(paths))


def read(obj: JSON) -> list[Claim]:
    """Return the claims that an object carries."""
    return [
        Claim(
            Owner(
                entry.get("manager", ""),
                entry.get("operation", UPDATE),
                entry.get("apiVersion", ""),
                entry.get("subresource", ""),
            ),
            field_sets.decode(entry.get("fieldsV1") or {}),
            entry.get("time"),
        )
        for entry in obj["metadata"].get("managedFields") or []
    ]


def write(obj: JSON, claims: Iterable[Claim]) -> None:
    """Put claims into an object, in the order in which the API server shows them."""
    entries = [_entry(claim) for claim in sorted(claims, key=_order) if claim.paths]
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def record_update(old: JSON, new: JSON, owner: Owner, now: str) -> None:
    """Give the fields in which `new` differs from `old` to who wrote them, in place."""
    difference = field_sets.compare(old, new)
    claims = read(old)
    if difference:
        claims = _taken(claims, difference, owner, now)
    write(new, claims)


def _taken(claims: list[Claim], difference: field_sets.Comparison, owner: Owner, now: str) -> list[Claim]:
    touched = difference.touched
    others = [claim.without(touched | difference.removed) for claim in claims]
    if not touched:
        return others
    time = None if owner.subresource == "scale" else now
    before = frozenset().union(*(claim.paths for claim in others if claim.owner == owner))
    return [*(claim for claim in others if claim.owner != owner), Claim(owner, before | touched, time)]


def _order(claim: Claim) -> tuple[str, str, str, str, str]:
    owner = claim.owner
    return owner.operation, claim.time or "", owner.manager, owner.api_version, owner.subresource


def _entry(claim: Claim) -> JSON:
    owner = claim.owner
    entry: JSON = {"manager": owner.manager, "operation": owner.operation, "apiVersion": owner.api_version}
    if claim.time:
        entry["time"] = claim.time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": field_sets.encode(claim.paths)}
    if owner.subresource:
        entry["subresource"] = owner.subresource
    return entry
