"""The API server's record of who wrote which field, as far as it is about the replicas.

Of each entry no more is decoded than whether it holds `spec.replicas`: the rest is skipped, as is all of
an object that is not needed.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from autoscaler.cluster.kinds import Meta, Struct
from autoscaler.core.writers import Writer


class Leaf(Struct, frozen=True):
    """A field that is held."""


class HeldSpec(Struct, frozen=True):
    """What an entry holds of a spec."""

    replicas: Leaf | None = msgspec.field(name="f:replicas", default=None)


class HeldFields(Struct, frozen=True):
    """What an entry holds of an object."""

    spec: HeldSpec | None = msgspec.field(name="f:spec", default=None)


class ManagedFields(Struct, frozen=True):
    """An entry of the record."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: str | None = None
    fields_v1: HeldFields | None = None

    @property
    def holds_replicas(self) -> bool:
        """Whether its manager has written the replicas, or asked for those that were there."""
        held = self.fields_v1
        return held is not None and held.spec is not None and held.spec.replicas is not None


class ManagedMeta(Meta, frozen=True):
    """ObjectMeta with the record."""

    creation_timestamp: str | None = None
    managed_fields: tuple[ManagedFields, ...] | None = ()

    @property
    def replica_writers(self) -> tuple[Writer, ...]:
        """Who holds the replicas."""
        return tuple(
            Writer(
                entry.manager,
                entry.operation,
                entry.subresource,
                datetime.fromisoformat(entry.time).timestamp() if entry.time else None,
                created=entry.time is not None and entry.time == self.creation_timestamp,
            )
            for entry in self.managed_fields or ()
            if entry.holds_replicas
        )
