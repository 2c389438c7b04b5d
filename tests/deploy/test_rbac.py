"""The rights that a configuration calls for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cluster.rbac import HEADER, Manifest, ServiceAccount, render, rights
from autoscaler.config.airflow import DatabaseSettings
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import ControllerSettings, Settings, TargetSettings
from autoscaler.config.sources import SecretKey
from autoscaler.core.model import TargetRef
from autoscaler.core.policy import HpaMode
from tests.deploy.grants import ALLOWED, AT_HOME, READING, Grant, grants

ACCOUNT = ServiceAccount(namespace="control", name="sizer")


STATE = {
    Grant("control", "", "configmaps", verb, ())
    for verb in ("get", "list", "watch", "create", "patch", "delete")
}
SEEN = (
    ("apps", "statefulsets"),
    ("", "pods"),
    ("", "resourcequotas"),
    ("", "limitranges"),
    ("", "persistentvolumeclaims"),
    ("autoscaling", "horizontalpodautoscalers"),
)


def target(
    namespace: str, name: str, kind: str = "StatefulSet", hpa: str = "activate", **broker: Any
) -> TargetSettings:
    """Return a target whose broker's URL comes from where `broker` says."""
    return TargetSettings(
        namespace=namespace,
        name=name,
        queues=("default",),
        kind=kind,
        hpa=hpa,
        broker=BrokerSettings(**broker),
    )


def settings(*targets: TargetSettings, **controller: Any) -> Settings:
    """Return a configuration."""
    return Settings(ControllerSettings(**controller), targets)


def given_rights(
    configured: Settings,
    template_secrets: Mapping[TargetRef, tuple[str, ...]] | None = None,
    hpas: Mapping[TargetRef, tuple[str, ...]] | None = None,
) -> set[Grant]:
    """Return every single permission that a configuration gets."""
    return set(grants(rights(configured, template_secrets or {}, ACCOUNT, hpas)))


def test_each_namespace_gets_what_its_own_targets_need() -> None:
    """Scaling and Secrets by name, reading for the namespace, and nothing beside."""
    secret = SecretKey("broker-url", "connection")
    found = given_rights(
        settings(target("a", "two", secret=secret), target("b", "lone", url_env="URL"), target("a", "one"))
    )
    expected = {
        Grant(namespace, group, resource, verb, ())
        for namespace in ("a", "b")
        for group, resource in SEEN
        for verb in READING
    }
    for verb in ("get", "patch"):
        expected.add(Grant("a", "apps", "statefulsets/scale", verb, ("one", "two")))
        expected.add(Grant("b", "apps", "statefulsets/scale", verb, ("lone",)))
    for verb in ("create", "patch"):
        expected |= {Grant(namespace, "", "events", verb, ()) for namespace in ("a", "b")}
    expected.add(Grant("a", "", "secrets", "get", ("broker-url",)))
    assert found == expected | STATE


def test_watching_the_whole_cluster_still_scales_by_name() -> None:
    """Only reading is for all namespaces then, and it is not given a second time in each."""
    found = given_rights(settings(target("a", "one"), target("b", "two"), cluster_wide=True))
    everywhere = {grant.permission for grant in found if grant.namespace is None}
    assert everywhere == {(group, resource, verb) for group, resource in SEEN for verb in READING}
    elsewhere = {grant for grant in found if grant.namespace is not None} - STATE
    events = {
        Grant(namespace, "", "events", verb, ()) for namespace in ("a", "b") for verb in ("create", "patch")
    }
    assert elsewhere - events == {
        Grant(namespace, "apps", "statefulsets/scale", verb, (name,))
        for namespace, name in (("a", "one"), ("b", "two"))
        for verb in ("get", "patch")
    }
    assert events <= elsewhere


@pytest.mark.parametrize("cluster_wide", [False, True])
def test_a_dry_run_may_not_write(cluster_wide: bool) -> None:
    """Not even when the daemon were to try."""
    dry = settings(target("a", "one"), dry_run=True, cluster_wide=cluster_wide)
    wet = replace(dry, controller=replace(dry.controller, dry_run=False))
    assert {grant.verb for grant in given_rights(dry)} == set(READING)
    assert {grant.permission for grant in given_rights(wet) - given_rights(dry) - STATE} == {
        ("apps", "statefulsets/scale", "patch"),
        ("", "events", "create"),
        ("", "events", "patch"),
    }


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_deployment_takes_more_rights(dry_run: bool) -> None:
    """It and what makes its pods are read, it is scaled by name, and its pods may be marked."""
    alone = settings(target("a", "one"), target("b", "two"), dry_run=dry_run)
    beside = settings(target("a", "one"), target("b", "two", "Deployment"), dry_run=dry_run)
    more = given_rights(beside) - given_rights(alone)
    assert {grant.namespace for grant in more} == {"b"}
    reading = {("apps", kind, verb) for kind in ("deployments", "replicasets") for verb in READING}
    writing = set() if dry_run else {("apps", "deployments/scale", "patch"), ("", "pods", "patch")}
    assert {g.permission for g in more} == reading | {("apps", "deployments/scale", "get")} | writing
    assert given_rights(alone) - given_rights(beside) == {
        Grant("b", "apps", "statefulsets/scale", verb, ("two",))
        for verb in (["get"] if dry_run else ["get", "patch"])
    }


@pytest.mark.parametrize(("hpa", "dry_run"), [("floor", False), ("floor", True), ("activate", False)])
def test_an_hpa_may_be_written_to_where_its_minimum_is_moved(hpa: str, dry_run: bool) -> None:
    """By its name, in its namespace; unknown names mean none, and a dry run writes nothing."""
    one, other = target("a", "one", hpa=hpa), target("b", "two")
    known = {one.ref: ("cpu",), other.ref: ("not",)}
    alone = given_rights(settings(one, other, dry_run=dry_run))
    more = given_rights(settings(one, other, dry_run=dry_run), hpas=known) - alone
    writes = hpa == "floor" and not dry_run
    patch = Grant("a", "autoscaling", "horizontalpodautoscalers", "patch", ("cpu",))
    assert more == ({patch} if writes else set())


def test_its_state_is_kept_where_it_is_told() -> None:
    """In the daemon's own namespace, or the one that the configuration names."""
    found = given_rights(settings(target("a", "one"), namespace="state"))
    assert {grant.namespace for grant in found if grant.resource == "configmaps"} == {"state"}


@pytest.mark.parametrize(
    ("broker", "names"),
    [
        ({}, {"seen", "more"}),
        ({"url_from": "pod-template"}, {"seen", "more"}),
        ({"secret": SecretKey("named", "key")}, {"named"}),
        ({"url": "redis://redis.example"}, set()),
        ({"url_env": "BROKER_URL"}, set()),
        ({"url_file": "/etc/broker/url"}, set()),
    ],
)
def test_secrets_are_those_that_the_source_of_the_url_needs(broker: dict[str, Any], names: set[str]) -> None:
    """What a pod template refers to counts only where the URL is taken from it."""
    seen = {
        TargetRef("a", "one", "StatefulSet"): ("seen", "more"),
        TargetRef("a", "other", "StatefulSet"): ("not",),
    }
    found = given_rights(settings(target("a", "one", **broker)), seen)
    assert {name for grant in found if grant.resource == "secrets" for name in grant.names} == names


def test_no_known_secret_means_no_secret() -> None:
    """An empty list of names in a rule would have meant every Secret."""
    assert all(grant.resource != "secrets" for grant in given_rights(settings(target("a", "one"))))


@pytest.mark.parametrize("cluster_wide", [False, True])
def test_every_role_is_bound_to_the_account_alone(cluster_wide: bool) -> None:
    """Each binding follows its role, in the same namespace."""
    documents = rights(
        settings(target("a", "one"), target("b", "two"), cluster_wide=cluster_wide), {}, ACCOUNT
    )
    roles, bindings = documents[::2], documents[1::2]
    assert len(roles) == len(bindings) == (4 if cluster_wide else 3)
    for role, binding in zip(roles, bindings, strict=True):
        assert binding["kind"] == f"{role['kind']}Binding"
        assert binding["metadata"].get("namespace") == role["metadata"].get("namespace")
        assert binding["roleRef"]["kind"] == role["kind"]
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "sizer", "namespace": "control"}]


@pytest.mark.parametrize("version", ["1.28", kubernetes_validate.latest_version()])
def test_the_printed_yaml_is_valid_and_says_the_same(version: str) -> None:
    """Nothing is lost on the way to kubectl, and no YAML alias puts off who reads it."""
    secret = SecretKey("null", "on")  # words that YAML would take for something else
    documents = rights(settings(target("a", "one", secret=secret), cluster_wide=True), {}, ACCOUNT)
    text = render(documents)
    assert text.startswith(HEADER + "---\n")
    assert "&" not in text
    assert tuple(yaml.safe_load_all(text)) == documents
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def test_the_printed_yaml_reads_well() -> None:
    """One line for each part of a rule."""
    assert """
- apiGroups: [apps]
  resources: [statefulsets/scale]
  resourceNames: [one, two]
  verbs: [get, patch]
""" in render(rights(settings(target("a", "two"), target("a", "one")), {}, ACCOUNT))


names = st.text("abc", min_size=1, max_size=2)
brokers: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"secret": st.builds(SecretKey, names, names)}),
    st.fixed_dictionaries({"url_env": names}),
)
kinds = st.sampled_from(["StatefulSet", "Deployment"])
targets = st.builds(
    lambda namespace, name, kind, hpa, broker: target(namespace, name, kind, hpa, **broker),
    names,
    names,
    kinds,
    st.sampled_from(HpaMode).map(str),
    brokers,
)
refs = st.builds(TargetRef, names, names, st.just("StatefulSet"))
named = st.dictionaries(refs, st.lists(names, max_size=3))


@given(
    st.lists(targets, min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
    named,
    named,
)
def test_nothing_is_ever_granted_beyond_the_list(
    configured: list[TargetSettings],
    cluster_wide: bool,
    dry_run: bool,
    template_secrets: dict[TargetRef, list[str]],
    hpas: dict[TargetRef, list[str]],
) -> None:
    """Whatever is configured: only listed verbs, and by name and namespace what has to be."""
    documents: tuple[Manifest, ...] = rights(
        settings(*configured, cluster_wide=cluster_wide, dry_run=dry_run), template_secrets, ACCOUNT, hpas
    )
    for grant in grants(documents):
        assert grant.permission in ALLOWED
        if grant.needs_names:
            assert grant.names
            assert grant.namespace in {target.namespace for target in configured}
        assert (grant.resource in AT_HOME) == (grant.namespace == "control")


def test_the_secret_of_airflows_database_may_be_read() -> None:
    """Beside the broker's, both named outright or by the pod template."""
    named = replace(
        target("data", "w", secret=SecretKey("broker", "url")),
        airflow_database=DatabaseSettings(secret=SecretKey("metadata", "connection")),
    )
    (secrets,) = (grant for grant in given_rights(settings(named)) if grant.resource == "secrets")
    assert secrets.names == ("broker", "metadata")
    taken = replace(named, airflow_database=DatabaseSettings(url_from="pod-template"))
    found = given_rights(settings(taken), {taken.ref: ("airflow-metadata",)})
    (secrets,) = (grant for grant in found if grant.resource == "secrets")
    assert secrets.names == ("airflow-metadata", "broker")
