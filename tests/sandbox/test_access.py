"""Tokens and rules: who is known, who may do what, and what the others are told."""

from __future__ import annotations

import pytest

from autoscaler.sandbox.api.access import Rule, User, Wish, rules_of
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.sandbox.client import Client
from tests.sandbox.objects import NAMESPACE, PODS, SETS, namespace, stateful_set

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ROLE = {
    "rules": [
        {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["get", "list", "watch"]},
        {
            "apiGroups": ["apps"],
            "resources": ["statefulsets/scale"],
            "verbs": ["patch"],
            "resourceNames": ["w"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["*"]},
        {"nonResourceURLs": ["/metrics"], "verbs": ["get"]},
    ]
}
SCALER = User("system:serviceaccount:ops:autoscaler", rules_of(ROLE, (NAMESPACE,)))


@pytest.mark.parametrize(
    ("wish", "allowed"),
    [
        (Wish("list", "apps", "statefulsets", namespace=NAMESPACE), True),
        (Wish("list", "apps", "statefulsets", namespace="other"), False),
        (Wish("list", "apps", "statefulsets"), False),
        (Wish("delete", "apps", "statefulsets", namespace=NAMESPACE, name="w"), False),
        (Wish("get", "", "statefulsets", namespace=NAMESPACE), False),
        (Wish("patch", "apps", "statefulsets", "scale", NAMESPACE, "w"), True),
        (Wish("patch", "apps", "statefulsets", "scale", NAMESPACE, "x"), False),
        (Wish("patch", "apps", "statefulsets", "", NAMESPACE, "w"), False),
        (Wish("delete", "", "events", namespace=NAMESPACE), True),
    ],
)
def test_rules_of_a_role(wish: Wish, allowed: bool) -> None:
    """Verb, group, resource with its subresource, namespace and name must all be covered."""
    assert SCALER.may(wish) is allowed


@pytest.mark.parametrize(
    ("resources", "subresource", "allowed"),
    [(("*",), "scale", True), (("*/scale",), "scale", True), (("*/scale",), "status", False)],
)
def test_stars_cover_everything(resources: tuple[str, ...], subresource: str, allowed: bool) -> None:
    """Also the subresource of any resource."""
    rule = Rule(("*",), ("*",), resources)
    assert rule.allows(Wish("patch", "apps", "statefulsets", subresource)) is allowed


def test_everybody_sees_what_rules_allow(store: Store) -> None:
    """A list of all namespaces needs the right everywhere."""
    store.create("namespaces", namespace())
    store.create("statefulsets.apps", stateful_set())
    with ApiServer(store, tokens={"t": SCALER}) as server:
        client = Client(server.url, "t")
        assert client.request("GET", SETS).status == 200
        assert client.patch(f"{SETS}/w/scale", {"spec": {"replicas": 4}}).status == 200
        refused = client.request("GET", "/apis/apps/v1/statefulsets")
        assert refused.status == 403
        assert refused.body["message"].endswith('in API group "apps" at the cluster scope')
        assert client.request("DELETE", PODS).status == 403
        assert [record.status for record in server.requests] == [200, 200, 403, 403]
        assert {record.user for record in server.requests} == {SCALER.name}


@pytest.mark.parametrize("token", [None, "other"])
def test_strangers_are_turned_away(store: Store, token: str | None) -> None:
    """Whatever they ask for, they get 401."""
    with ApiServer(store, tokens={"t": "admin"}) as server:
        for path in (SETS, "/version", "/apis/none/v1/such"):
            reply = Client(server.url, token).request("GET", path)
            assert (reply.status, reply.body["reason"]) == (401, "Unauthorized")
        assert {record.user for record in server.requests} == {""}


def test_reviews_answer_from_the_same_rules(store: Store) -> None:
    """Everybody may ask about himself, and nothing is kept of it."""
    with ApiServer(store, tokens={"t": SCALER}) as server:
        found = []
        for verb in ("patch", "delete"):
            asked = {
                "group": "apps",
                "resource": "statefulsets",
                "subresource": "scale",
                "namespace": NAMESPACE,
                "name": "w",
                "verb": verb,
            }
            before = store.version
            reply = Client(server.url, "t").request(
                "POST", REVIEWS, body={"spec": {"resourceAttributes": asked}}
            )
            found.append((reply.status, reply.body["status"]["allowed"]))
            assert store.version == before
    assert found == [(201, True), (201, False)]


def test_no_tokens_means_no_locks(client: Client) -> None:
    """For tests that are about something else."""
    assert client.request("GET", "/api/v1/secrets").status == 200
