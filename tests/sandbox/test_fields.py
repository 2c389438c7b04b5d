"""Owners of fields: paths lose nothing on their way through FieldsV1, and come in the server's order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sandbox.objects import field_sets, owners
from autoscaler.sandbox.objects.owners import APPLY, UPDATE, Claim, Owner
from tests.sandbox.client import JSON

elements = st.sampled_from(["f:a", "f:b", "f:spec", 'k:{"name":"x"}', 'v:"x"'])
paths = st.frozensets(st.lists(elements, min_size=1, max_size=4).map(tuple))
values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "selector", "finalizers"]), inner, max_size=3)
    ),
    max_leaves=12,
)
objects = st.fixed_dictionaries({"metadata": st.just({}), "spec": values})


@given(paths)
def test_fields_are_read_as_they_are_written(found: frozenset[tuple[str, ...]]) -> None:
    """Also a field that is owned along with fields inside it."""
    assert field_sets.decode(field_sets.encode(found)) == found


@given(objects, objects)
def test_two_objects_differ_in_some_field_or_not_at_all(one: JSON, other: JSON) -> None:
    """What one adds is what the other removes, and only equal objects do not differ."""
    there, back = field_sets.compare(one, other), field_sets.compare(other, one)
    assert (there.added, there.removed, there.modified) == (back.removed, back.added, back.modified)
    assert bool(there) is (repr(one) != repr(other)) or one == other


@given(objects)
def test_what_is_set_is_what_a_blank_object_lacks(obj: JSON) -> None:
    """Each field of a configuration is among those that it would add."""
    set_fields = {path for path in field_sets.set_by(obj) if len(path) > 1}
    assert set_fields <= field_sets.compare({"metadata": {}}, obj).touched


def test_owners_come_in_order() -> None:
    """Appliers first, then by time, those of the scale without one before all others, then by name."""
    field = frozenset({("f:spec", "f:replicas")})
    claims = [
        Claim(Owner("b", UPDATE, "v1"), field, "2026-01-01T00:00:01Z"),
        Claim(Owner("a", UPDATE, "v1"), field, "2026-01-01T00:00:01Z"),
        Claim(Owner("c", UPDATE, "v1"), field, "2026-01-01T00:00:00Z"),
        Claim(Owner("z", UPDATE, "v1", "scale"), field, None),
        Claim(Owner("y", APPLY, "v1"), field, "2026-01-01T00:00:09Z"),
        Claim(Owner("x", UPDATE, "v1"), frozenset(), "2026-01-01T00:00:00Z"),
    ]
    obj: JSON = {"metadata": {}}
    owners.write(obj, claims)
    assert [entry["manager"] for entry in obj["metadata"]["managedFields"]] == ["y", "z", "c", "a", "b"]
    assert owners.read(obj) == [claims[index] for index in (4, 3, 2, 1, 0)]
    owners.write(obj, [])
    assert obj == {"metadata": {}}


def test_paths_are_told_to_people() -> None:
    """In the notation of conflicts."""
    path = ("f:spec", "f:containers", 'k:{"name":"worker"}', "f:image")
    assert field_sets.text(path) == '.spec.containers[name="worker"].image'
    assert field_sets.text(("f:metadata", "f:finalizers", 'v:"x"')) == '.metadata.finalizers[="x"]'
