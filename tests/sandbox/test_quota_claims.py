"""Claims for storage: what they take of quotas, and how StatefulSets make them and let them go."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.sandbox.store import ApiError, Store
from tests.sandbox.client import JSON
from tests.sandbox.objects import NAMESPACE as TEAM
from tests.sandbox.objects import claim, quota
from tests.sandbox.world import NAME, NAMESPACE, World, names

CLAIMS = "persistentvolumeclaims"
GOLD = "gold.storageclass.storage.k8s.io/"


def _used(store: Store, name: str = "team") -> dict[str, str]:
    used: dict[str, str] = store.get("resourcequotas", TEAM, name)["status"]["used"]
    return used


def _template(name: str = "data", storage: str = "1Gi", **metadata: Any) -> JSON:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def _quota(world: World, **hard: str) -> None:
    spec = {"hard": {name.replace("_", "."): amount for name, amount in hard.items()}}
    world.store.create("resourcequotas", {"metadata": {"name": "team", "namespace": NAMESPACE}, "spec": spec})


def _claims(world: World) -> list[str]:
    return names(world.store.list(CLAIMS, NAMESPACE)[0])


def test_claims_are_counted(store: Store) -> None:
    """All of them, those of a storage class by its name, storage in whole bytes."""
    hard = {
        "persistentvolumeclaims": "9",
        "count/persistentvolumeclaims": "9",
        "requests.storage": "4Gi",
        f"{GOLD}requests.storage": "2Gi",
        f"{GOLD}persistentvolumeclaims": "1",
    }
    store.create("resourcequotas", quota(hard=hard))
    store.create(CLAIMS, claim("a", "1500m"))
    store.create(CLAIMS, claim("b", "1Gi", storageClassName="gold"))
    assert _used(store) == {
        "count/persistentvolumeclaims": "2",
        "persistentvolumeclaims": "2",
        "requests.storage": "1073741826",
        f"{GOLD}requests.storage": "1Gi",
        f"{GOLD}persistentvolumeclaims": "1",
    }
    old_way = claim("c", "2Gi")
    old_way["metadata"]["annotations"] = {"volume.beta.kubernetes.io/storage-class": "gold"}
    with pytest.raises(ApiError) as refusal:
        store.create(CLAIMS, old_way)
    assert refusal.value.message == (
        'persistentvolumeclaims "c" is forbidden: exceeded quota: team, requested: '
        f"{GOLD}persistentvolumeclaims=1,{GOLD}requests.storage=2Gi, used: "
        f"{GOLD}persistentvolumeclaims=1,{GOLD}requests.storage=1Gi, limited: "
        f"{GOLD}persistentvolumeclaims=1,{GOLD}requests.storage=2Gi"
    )
    store.delete(CLAIMS, TEAM, "b")
    assert _used(store)[f"{GOLD}persistentvolumeclaims"] == "0"


def test_more_storage_takes_more_room(store: Store) -> None:
    """A claim that grows is counted with the difference; what the storage gave counts where it is more."""
    store.create("resourcequotas", quota(hard={"requests.storage": "4Gi"}))
    store.create(CLAIMS, claim("a", "1Gi"))
    store.update(CLAIMS, claim("a", "3Gi"))
    assert _used(store) == {"requests.storage": "3Gi"}
    with pytest.raises(ApiError, match=r"requested: requests\.storage=2Gi, used: requests\.storage=3Gi"):
        store.update(CLAIMS, claim("a", "5Gi"))
    given = store.get(CLAIMS, TEAM, "a")
    given["status"]["allocatedResources"] = {"storage": "3584Mi"}
    store.update(CLAIMS, given, subresource="status")
    assert _used(store) == {"requests.storage": "3584Mi"}


@pytest.mark.parametrize(
    ("requirement", "counted"),
    [
        ({"operator": "In", "values": ["fast"]}, "f"),
        ({"operator": "NotIn", "values": ["fast"]}, "ns"),
        ({"operator": "Exists"}, "fs"),
        ({"operator": "DoesNotExist"}, "n"),
    ],
    ids=["in", "not in", "exists", "does not exist"],
)
def test_claims_by_volume_class(store: Store, requirement: JSON, counted: str) -> None:
    """Other scopes than this one hold for no claim."""
    scope = {"scopeName": "VolumeAttributesClass"} | requirement
    hard = {"persistentvolumeclaims": "9"}
    store.create("resourcequotas", quota(hard=hard, scopeSelector={"matchExpressions": [scope]}))
    hard = {"pods": "9", "count/persistentvolumeclaims": "0"}
    store.create("resourcequotas", quota("pods", hard=hard, scopes=["NotTerminating"]))
    found = ""
    for name, of_class in (("f", "fast"), ("n", None), ("s", "slow")):
        before = _used(store)
        store.create(CLAIMS, claim(name, volumeAttributesClassName=of_class))
        found += name if _used(store) != before else ""
    assert found == counted


def test_the_default_storage_class(store: Store) -> None:
    """Of several the newest; a claim that names another, or none, keeps to that."""
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    for name, notes in (("gold", default), ("lead", {})):
        metadata = {"name": name, "annotations": notes}
        created = store.create(
            "storageclasses.storage.k8s.io", {"metadata": metadata, "provisioner": "example.org/disk"}
        )
        assert (created["reclaimPolicy"], created["volumeBindingMode"]) == ("Delete", "Immediate")
    found = [
        store.create(CLAIMS, claim(name, **spec))["spec"].get("storageClassName")
        for name, spec in (("a", {}), ("b", {"storageClassName": ""}), ("c", {"storageClassName": "lead"}))
    ]
    assert found == ["gold", "", "lead"]


def test_claims_come_before_their_pods() -> None:
    """Named after template and pod, with the labels that the set selects by; the pod mounts them."""
    world = World()
    templates = [_template(labels={"of": "us"}, annotations={"a": "b"}), _template("logs")]
    world.create(1, volumeClaimTemplates=templates)
    (found,) = (
        each for each in world.set()["spec"]["volumeClaimTemplates"] if each["metadata"]["name"] == "logs"
    )
    assert (found["kind"], found["status"], found["spec"]["volumeMode"]) == (
        "PersistentVolumeClaim",
        {"phase": "Pending"},
        "Filesystem",
    )
    assert _claims(world) == [f"data-{NAME}-0", f"logs-{NAME}-0"]
    made = world.store.get(CLAIMS, NAMESPACE, f"data-{NAME}-0")["metadata"]
    assert (made["labels"], made["annotations"]) == ({"of": "us", "component": "worker"}, {"a": "b"})
    assert [volume for volume in world.pod(0)["spec"]["volumes"] if "projected" not in volume] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{NAME}-0"}},
        {"name": "logs", "persistentVolumeClaim": {"claimName": f"logs-{NAME}-0"}},
    ]
    told = [event["message"] for event in world.events("SuccessfulCreate")]
    assert told == [
        f"Create Claim data-{NAME}-0 Pod {NAME}-0 in StatefulSet {NAME} success",
        f"Create Claim logs-{NAME}-0 Pod {NAME}-0 in StatefulSet {NAME} success",
        f"Create Pod {NAME}-0 in StatefulSet {NAME} successful",
    ]


def test_a_refused_claim_keeps_its_pod_away() -> None:
    """Two events tell it: the claim's, and the pod's with the same words."""
    world = World()
    _quota(world, requests_storage="2500Mi")
    world.create(4, volumeClaimTemplates=[_template()])
    assert (world.ordinals(), _claims(world)) == ([0, 1], [f"data-{NAME}-0", f"data-{NAME}-1"])
    why = (
        f'persistentvolumeclaims "data-{NAME}-2" is forbidden: exceeded quota: team, requested: '
        "requests.storage=1Gi, used: requests.storage=2Gi, limited: requests.storage=2500Mi"
    )
    told = [event["message"] for event in world.events("FailedCreate") if f"{NAME}-2 " in event["message"]]
    assert told == [
        f"Create Claim data-{NAME}-2 for Pod {NAME}-2 in StatefulSet {NAME} failed error: {why}",
        f"Create Pod {NAME}-2 in StatefulSet {NAME} failed error: failed to create PVC data-{NAME}-2: {why}",
    ]


def test_a_refused_pod_leaves_its_claim() -> None:
    """The claim was there first, and stays when the set comes down again."""
    world = World()
    world.allow_pods(1)
    world.create(2, volumeClaimTemplates=[_template()])
    assert (world.ordinals(), _claims(world)) == ([0], [f"data-{NAME}-0", f"data-{NAME}-1"])
    world.scale(0)
    world.advance(60)
    assert (world.ordinals(), len(_claims(world))) == ([], 2)


def test_what_is_there_already_is_used() -> None:
    """A claim that exists takes no room again; one that is going is waited for."""
    world = World()
    metadata = {"name": f"data-{NAME}-0", "namespace": NAMESPACE, "finalizers": ["example.org/keep"]}
    there = _template()["spec"]
    world.store.create(CLAIMS, {"metadata": metadata, "spec": there})
    _quota(world, persistentvolumeclaims="1")
    world.store.delete(CLAIMS, NAMESPACE, f"data-{NAME}-0")
    world.create(1, volumeClaimTemplates=[_template()])
    assert world.ordinals() == []
    (told,) = world.events("FailedCreate")
    assert told["message"].endswith(f"failed error: pvc data-{NAME}-0 is being deleted")
    world.store.modify(
        CLAIMS,
        NAMESPACE,
        f"data-{NAME}-0",
        lambda old: {**old, "metadata": {**old["metadata"], "finalizers": []}},
    )
    world.advance(10)
    assert (world.ordinals(), _claims(world)) == ([0], [f"data-{NAME}-0"])


def test_a_missing_claim_is_made_again_while_the_pod_waits() -> None:
    """A pod that has started does without."""
    world = World(startup_seconds=30)
    world.create(1, volumeClaimTemplates=[_template()])
    world.store.delete(CLAIMS, NAMESPACE, f"data-{NAME}-0")
    world.change(minReadySeconds=1)
    assert _claims(world) == [f"data-{NAME}-0"]
    world.advance(60)
    world.store.delete(CLAIMS, NAMESPACE, f"data-{NAME}-0")
    world.change(minReadySeconds=0)
    assert _claims(world) == []


def _policy(scaled: str, deleted: str) -> JSON:
    return {"whenScaled": scaled, "whenDeleted": deleted}


@pytest.mark.parametrize("management", ["Parallel", "OrderedReady"])
@pytest.mark.parametrize(
    ("scaled", "deleted", "left_when_scaled", "left_when_deleted"),
    [
        ("Retain", "Retain", [0, 1], [0, 1]),
        ("Delete", "Retain", [0], [0]),
        ("Retain", "Delete", [0, 1], []),
        ("Delete", "Delete", [0], []),
    ],
)
def test_what_becomes_of_claims(
    management: str, scaled: str, deleted: str, left_when_scaled: list[int], left_when_deleted: list[int]
) -> None:
    """They go with the pod that is not wanted any more, or with the set, where the set says so."""
    world = World()
    policy = _policy(scaled, deleted)
    world.create(
        2,
        podManagementPolicy=management,
        volumeClaimTemplates=[_template()],
        persistentVolumeClaimRetentionPolicy=policy,
    )
    world.advance(10)
    assert world.ordinals() == [0, 1]
    world.scale(1)
    world.advance(60)
    assert _claims(world) == [f"data-{NAME}-{ordinal}" for ordinal in left_when_scaled]
    world.store.delete("statefulsets.apps", NAMESPACE, NAME)
    world.advance(60)
    assert _claims(world) == [f"data-{NAME}-{ordinal}" for ordinal in left_when_deleted]


def test_a_policy_that_changes_is_followed() -> None:
    """Claims get and lose their owner with the next look."""
    world = World()
    world.create(1, volumeClaimTemplates=[_template()])
    world.advance(10)
    for policy, owners in (("Delete", [("StatefulSet", NAME)]), ("Retain", [])):
        world.change(persistentVolumeClaimRetentionPolicy=_policy("Retain", policy))
        found = world.store.get(CLAIMS, NAMESPACE, f"data-{NAME}-0")["metadata"].get("ownerReferences", [])
        assert [(owner["kind"], owner["name"]) for owner in found] == owners


def test_a_claim_of_somebody_else_is_left_alone() -> None:
    """One with another controller, or of an earlier set of this name, keeps its owner and stays."""
    world = World()
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "1", "controller": True}
    earlier = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME, "uid": "2"}
    for ordinal, reference in enumerate((owner, earlier)):
        metadata = {"name": f"data-{NAME}-{ordinal}", "namespace": NAMESPACE, "ownerReferences": [reference]}
        world.store.create(CLAIMS, {"metadata": metadata, "spec": _template()["spec"]})
    world.create(
        2,
        volumeClaimTemplates=[_template()],
        persistentVolumeClaimRetentionPolicy=_policy("Retain", "Delete"),
    )
    world.advance(10)
    found = [each["metadata"]["ownerReferences"] for each in world.store.list(CLAIMS, NAMESPACE)[0]]
    assert found == [[owner], [earlier]]


def test_a_place_waits_until_the_old_claim_has_gone() -> None:
    """A claim that is to go with an earlier pod is not given to the next."""
    world = World()
    world.create(
        2,
        volumeClaimTemplates=[_template()],
        persistentVolumeClaimRetentionPolicy=_policy("Delete", "Retain"),
    )
    world.advance(10)
    kept = f"data-{NAME}-1"
    world.store.modify(
        CLAIMS,
        NAMESPACE,
        kept,
        lambda old: {**old, "metadata": {**old["metadata"], "finalizers": ["example.org/keep"]}},
    )
    world.scale(1)
    world.advance(60)
    world.scale(2)
    assert world.ordinals() == [0]
    world.store.modify(
        CLAIMS, NAMESPACE, kept, lambda old: {**old, "metadata": {**old["metadata"], "finalizers": []}}
    )
    world.change(minReadySeconds=1)
    assert world.ordinals() == [0, 1]


def test_a_set_past_its_quota_does_not_come_down_while_a_place_below_is_refused() -> None:
    """The look ends at the refused pod, so the surplus above is not touched; without a gap it goes."""
    world = World()
    world.allow_pods(5)
    world.create(8)
    world.advance(30)
    world.allow_pods(4)
    world.delete_pod(1)
    world.advance(60)
    assert world.ordinals() == [0, 2, 3, 4]
    world.scale(3)
    world.advance(600)
    assert world.ordinals() == [0, 2, 3, 4]
    world.scale(1)
    world.advance(60)
    assert world.ordinals() == [0]
