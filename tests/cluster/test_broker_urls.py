"""Where the broker is, and how often that is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoscaler.cluster.broker_urls import REFRESH_SECONDS, ClusterBrokerUrls
from autoscaler.cluster.client import Api
from autoscaler.cluster.url_sources import UrlSources, template_secrets
from autoscaler.cluster.view import ClusterView
from autoscaler.config.airflow import DatabaseSettings
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import TargetSettings
from autoscaler.config.sources import SecretKey
from autoscaler.ports import BrokerUnknown
from autoscaler.sandbox.api.server import ApiServer
from tests.cluster.test_scale import uid_of
from tests.fakes import Clock
from tests.kube import Kube
from tests.waiting import eventually

URL = "redis://:s3cret@broker:6379/0"


class Bench:
    """The URLs of one target, looked up in a namespace."""

    def __init__(self, api: Api, kube: Kube, view: ClusterView, broker: BrokerSettings) -> None:
        self.clock = Clock()
        self.urls = ClusterBrokerUrls(UrlSources(api, view), self.clock)
        self.target = TargetSettings(namespace=kube.namespace, name="w", queues=("q",), broker=broker)

    def look(self) -> str:
        """Look for the URL if it is time to, and return it."""
        if self.urls.known(self.target) is None:
            self.urls.look(self.target)
        url = self.urls.known(self.target)
        assert url is not None
        return url

    def refusal(self) -> str:
        """Return why there is none."""
        with pytest.raises(BrokerUnknown) as error:
            self.look()
        return str(error.value)


def with_env(*env: dict[str, Any]):
    """Return a change that gives the worker an environment."""

    def change(made: dict[str, Any]) -> None:
        made["spec"]["template"]["spec"]["containers"][0]["env"] = list(env)

    return change


def from_secret(name: str, secret: str, key: str) -> dict[str, Any]:
    """Return an environment variable from a Secret."""
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


@pytest.mark.cluster
def test_the_workers_own_environment_tells(api: Api, kube: Kube, view: ClusterView):
    """As in Airflow's chart: a variable of the pod template, from a Secret."""
    kube.make_secret("airflow-broker-url", connection=f"{URL}\n")
    env = from_secret("AIRFLOW__CELERY__BROKER_URL", "airflow-broker-url", "connection")
    kube.make_set(change=with_env(env))
    uid_of(view, kube)
    bench = Bench(api, kube, view, BrokerSettings())
    assert bench.look() == URL
    assert template_secrets(api, bench.target) == ("airflow-broker-url",)


@pytest.mark.cluster
def test_a_password_within_a_url(api: Api, kube: Kube, view: ClusterView):
    """The URL is put together in the pod template, its password from a Secret."""
    kube.make_secret("redis", password="s3cret")
    url = {"name": "CELERY_BROKER_URL", "value": "redis://:$(PASSWORD)@broker:6379/0"}
    kube.make_set(change=with_env(from_secret("PASSWORD", "redis", "password"), url))
    uid_of(view, kube)
    assert Bench(api, kube, view, BrokerSettings()).look() == URL


@pytest.mark.cluster
def test_a_secret_that_is_named(api: Api, kube: Kube, view: ClusterView):
    """And what is said when it, or its key, is missing."""
    bench = Bench(api, kube, view, BrokerSettings(secret=SecretKey("broker", "url")))
    assert f"Secret {kube.namespace}/broker" in bench.refusal()
    kube.make_secret("broker", other="x", url=URL)
    bench.clock.advance(REFRESH_SECONDS)
    assert bench.look() == URL
    wrong = Bench(api, kube, view, BrokerSettings(secret=SecretKey("broker", "uri")))
    assert wrong.refusal() == "Secret broker has no key uri"


def secret_gets(server: ApiServer) -> int:
    """Return how often a Secret was read."""
    return sum(r.verb == "get" and r.resource == "secrets" for r in server.requests)


def test_secrets_are_read_one_by_one_and_seldom(server: ApiServer, api: Api, kube: Kube, view: ClusterView):
    """Once for many looks; again after doubt, but not at every tick; never listed."""
    kube.make_secret("broker", url=URL)
    bench = Bench(api, kube, view, BrokerSettings(secret=SecretKey("broker", "url")))
    for _ in range(5):
        bench.look()
        bench.clock.advance(60.0)
    assert secret_gets(server) == 1
    for _ in range(5):
        bench.look()
        bench.urls.doubt(bench.target)
        bench.clock.advance(REFRESH_SECONDS / 2)
    assert secret_gets(server) == 3
    assert not any(r.verb in {"list", "watch"} and r.resource == "secrets" for r in server.requests)


def test_a_missing_secret_is_not_asked_for_at_every_tick(
    server: ApiServer, api: Api, kube: Kube, view: ClusterView
):
    """The failure is remembered for a while, and then looked into again."""
    bench = Bench(api, kube, view, BrokerSettings(secret=SecretKey("broker", "url")))
    for _ in range(20):
        bench.refusal()
        bench.clock.advance(1.0)
    assert secret_gets(server) == 2


def test_a_new_pod_template_is_looked_at_at_once(api: Api, kube: Kube, view: ClusterView):
    """A deploy that moves the broker takes effect without doubt or delay."""
    plain = {"name": "CELERY_BROKER_URL", "value": "redis://one/0"}
    kube.make_set(change=with_env(plain))
    uid_of(view, kube)
    bench = Bench(api, kube, view, BrokerSettings())
    assert bench.look() == "redis://one/0"
    container = kube.get_set()["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "CELERY_BROKER_URL", "value": "redis://two/0"}]
    kube.patch_set({"spec": {"template": {"spec": {"containers": [container]}}}})
    eventually(lambda: bench.look() == "redis://two/0")


def test_templates_that_do_not_tell(api: Api, kube: Kube, view: ClusterView):
    """Not seen yet, no such variable, no such container."""
    bench = Bench(api, kube, view, BrokerSettings())
    assert bench.refusal() == "the pod template has not been seen yet"
    with pytest.raises(BrokerUnknown, match="not found"):
        template_secrets(api, bench.target)
    kube.make_set()
    uid_of(view, kube)
    assert bench.refusal() == (
        "container worker of the pod template sets none of "
        "AIRFLOW__CELERY__BROKER_URL, CELERY_BROKER_URL, BROKER_URL"
    )
    missing = Bench(api, kube, view, BrokerSettings(container="celery"))
    assert "a container named celery" in missing.refusal()
    with pytest.raises(BrokerUnknown, match="a container named celery"):
        template_secrets(api, missing.target)


def test_other_sources(
    api: Api, kube: Kube, view: ClusterView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Said outright, in the daemon's environment, in a file."""
    assert Bench(api, kube, view, BrokerSettings(url=URL)).look() == URL
    monkeypatch.setenv("SOME_URL", URL)
    assert Bench(api, kube, view, BrokerSettings(url_env="SOME_URL")).look() == URL
    monkeypatch.delenv("SOME_URL")
    assert Bench(api, kube, view, BrokerSettings(url_env="SOME_URL")).refusal() == (
        "the environment variable SOME_URL is not set"
    )
    file = tmp_path / "url"
    bench = Bench(api, kube, view, BrokerSettings(url_file=str(file)))
    assert bench.refusal() == f"cannot read {file}: No such file or directory"
    file.write_text(f"{URL}\n")
    bench.clock.advance(REFRESH_SECONDS)
    assert bench.look() == URL


def test_a_secret_that_is_no_text(api: Api, kube: Kube, view: ClusterView):
    """Bytes that are no URL."""
    path = f"/api/v1/namespaces/{kube.namespace}/secrets"
    kube.call("POST", path, {"metadata": {"name": "broker"}, "data": {"url": "/w=="}})
    bench = Bench(api, kube, view, BrokerSettings(secret=SecretKey("broker", "url")))
    assert "holds something that is no text" in bench.refusal()


@pytest.mark.cluster
def test_the_database_of_airflow_has_a_url_of_its_own(api: Api, kube: Kube, view: ClusterView):
    """From the pod template beside the broker's, or from wherever else it is said."""
    kube.make_secret("metadata", connection="postgresql://u:s3cret@db/airflow\n")
    kube.make_set(
        change=with_env(
            from_secret("AIRFLOW__CELERY__BROKER_URL", "broker", "url"),
            from_secret("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "metadata", "connection"),
        )
    )
    uid_of(view, kube)
    sources = UrlSources(api, view)
    target = Bench(api, kube, view, BrokerSettings()).target
    assert template_secrets(api, target) == ("broker",)
    for database in (
        DatabaseSettings(url_from="pod-template"),
        DatabaseSettings(secret=SecretKey("metadata", "connection")),
        DatabaseSettings(url="postgresql://u:s3cret@db/airflow"),
    ):
        described = replace(target, airflow_database=database)
        assert sources.database(described) == "postgresql://u:s3cret@db/airflow"
    described = replace(target, airflow_database=DatabaseSettings(url_from="pod-template"))
    assert template_secrets(api, described) == ("broker", "metadata")
    elsewhere = replace(described, broker=BrokerSettings(url="redis://r"))
    assert template_secrets(api, elsewhere) == ("metadata",)
    with pytest.raises(BrokerUnknown, match="has not been seen yet"):
        sources.database(replace(described, name="missing"))
