"""Lists: selectors, namespaces, pages and tables."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from autoscaler.sandbox.api.ages import duration
from autoscaler.sandbox.api.server import ApiServer
from autoscaler.sandbox.store import Store
from tests.sandbox.client import Client
from tests.sandbox.objects import NAMESPACE, PODS, SETS, namespace, pod, stateful_set

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def _names(listed: dict[str, list[dict[str, dict[str, str]]]]) -> str:
    return "".join(item["metadata"]["name"] for item in listed["items"])


@pytest.fixture
def pods(store: Store) -> None:
    """Store pods a to e with some labels, and f in a namespace that comes before theirs."""
    store.create("pods", pod("a", labels={"tier": "airflow", "component": "worker"}, node="n1"))
    store.create("pods", pod("b", labels={"tier": "airflow", "component": "web"}))
    store.create("pods", pod("c", labels={"tier": "plain"}))
    store.create("pods", pod("d"))
    store.create("pods", pod("e", labels={"tier": ""}))
    other = pod("f", labels={"tier": "airflow"})
    other["metadata"]["namespace"] = "other"
    store.create("pods", other)


@pytest.mark.usefixtures("pods")
@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", "abcde"),
        ("tier=airflow", "ab"),
        ("tier==airflow,component=worker", "a"),
        ("tier!=airflow", "cde"),
        ("tier in (airflow, plain)", "abc"),
        ("tier notin (airflow,plain)", "de"),
        ("tier in (airflow),component notin (web)", "a"),
        ("tier", "abce"),
        ("!tier", "d"),
        ("tier=", "e"),
    ],
)
def test_label_selectors(client: Client, selector: str, names: str) -> None:
    """Equality, sets and existence mean what they mean to Kubernetes; a missing label is not equal."""
    assert _names(client.get(PODS, labelSelector=selector)) == names


@pytest.mark.usefixtures("pods")
@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("metadata.name=b", "b"),
        ("metadata.name!=b", "facde"),
        ("metadata.namespace=other", "f"),
        ("spec.nodeName=n1", "a"),
        ("spec.nodeName=", "fbcde"),
        ("status.phase=Pending,metadata.name=c", "c"),
        ("status.phase=Running", ""),
    ],
)
def test_field_selectors(client: Client, selector: str, names: str) -> None:
    """Fields that are not set count as empty; namespaces come in order."""
    assert _names(client.get("/api/v1/pods", fieldSelector=selector)) == names


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"labelSelector": "tier in airflow"}, "unable to parse requirement"),
        ({"fieldSelector": "spec.color=red"}, "field label not supported: spec.color"),
        ({"fieldSelector": "metadata.name"}, "invalid selector"),
        ({"limit": "many"}, "invalid limit"),
        ({"continue": "!"}, "continue key is not valid"),
    ],
)
def test_unreadable_lists_are_refused(client: Client, params: dict[str, str], message: str) -> None:
    """They get 400 and the reason."""
    reply = client.request("GET", PODS, params)
    assert (reply.status, reply.body["reason"]) == (400, "BadRequest")
    assert message in reply.body["message"]


@pytest.mark.usefixtures("pods")
def test_pages_show_the_list_as_it_was_at_first(store: Store, client: Client) -> None:
    """What comes in between is not in later pages, and all pages have the first one's version."""
    first = client.get("/api/v1/pods", limit=4)
    store.create("pods", pod("aa"))
    store.delete("pods", NAMESPACE, "e")
    rest = client.get("/api/v1/pods", limit=4, **{"continue": first["metadata"]["continue"]})
    assert first["metadata"]["remainingItemCount"] == 2
    assert _names(first) + _names(rest) == "fabcde"
    assert rest["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


@pytest.mark.usefixtures("pods")
def test_selected_pages_do_not_tell_what_remains(client: Client) -> None:
    """With a selector the server does not count."""
    meta = client.get("/api/v1/pods", limit=1, labelSelector="tier")["metadata"]
    assert "continue" in meta
    assert "remainingItemCount" not in meta


@pytest.mark.usefixtures("pods")
def test_pages_expire(server: ApiServer, client: Client) -> None:
    """After a compaction the list has to be begun anew."""
    token = client.get(PODS, limit=1)["metadata"]["continue"]
    server.compact()
    reply = client.request("GET", PODS, {"limit": 1, "continue": token})
    assert (reply.status, reply.body["reason"]) == (410, "Expired")


def test_a_list_from_the_future_is_refused(client: Client) -> None:
    """It would have to wait for what may never come."""
    reply = client.request("GET", PODS, {"resourceVersion": "99999"})
    assert (reply.status, reply.body["reason"]) == (504, "Timeout")


def test_items_do_not_repeat_their_kind(store: Store, client: Client) -> None:
    """The list says it for all of them."""
    store.create("statefulsets.apps", stateful_set())
    listed = client.get(SETS)
    assert (listed["kind"], listed["apiVersion"]) == ("StatefulSetList", "apps/v1")
    assert listed["items"][0].keys() == {"metadata", "spec", "status"}


def test_table_of_pods() -> None:
    """A pod shows how many of its containers are ready, why it waits, how often it restarted."""
    store = Store(clock=lambda: datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC))
    store.create("namespaces", namespace())
    obj = store.create("pods", pod("a", node="n1"))
    ended = {"terminated": {"finishedAt": "2026-01-01T11:55:00Z"}}
    obj["status"] |= {
        "phase": "Running",
        "containerStatuses": [
            {
                "name": "main",
                "ready": False,
                "restartCount": 3,
                "lastState": ended,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
            }
        ],
    }
    store.update("pods", obj, subresource="status")
    store.create("pods", pod("b", node="n2"))
    store.delete("pods", NAMESPACE, "b")
    with ApiServer(store) as server:
        table = Client(server.url).request("GET", PODS, accept=TABLE).body
    assert [column["name"] for column in table["columnDefinitions"] if not column["priority"]] == [
        "Name",
        "Ready",
        "Status",
        "Restarts",
        "Age",
    ]
    assert [row["cells"][:5] for row in table["rows"]] == [
        ["a", "0/1", "CrashLoopBackOff", "3 (5m ago)", "0s"],
        ["b", "0/1", "Terminating", "0", "0s"],
    ]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


@pytest.mark.parametrize(
    ("include", "kind"), [("Object", "StatefulSet"), ("Metadata", "PartialObjectMetadata")]
)
def test_table_of_sets(store: Store, client: Client, include: str, kind: str) -> None:
    """A set shows ready and wanted replicas; how much of it comes along is up to the client."""
    store.create("statefulsets.apps", stateful_set(replicas=3))
    table = client.request("GET", f"{SETS}/w", {"includeObject": include}, accept=TABLE).body
    assert table["rows"][0]["cells"][:3] == ["w", "0/3", "0s"]
    assert table["rows"][0]["object"]["kind"] == kind
    table = client.request("GET", SETS, {"includeObject": "None"}, accept=TABLE).body
    assert table["rows"][0]["object"] is None


def test_other_tables_show_name_and_age(client: Client) -> None:
    """A kind without columns of its own has these two."""
    table = client.request("GET", "/api/v1/secrets", accept=TABLE).body
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Age"]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (3600, "60m"),
        (4 * 3600 + 600, "4h10m"),
        (25 * 3600, "25h"),
        (51 * 3600, "2d3h"),
        (9 * 86400, "9d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_are_shown_as_kubectl_shows_them(seconds: int, shown: str) -> None:
    """The older, the coarser."""
    assert duration(seconds) == shown
