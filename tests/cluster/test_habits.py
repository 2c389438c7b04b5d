"""What an API server says of how workers are set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from autoscaler.cluster.budgets import Selector, covering
from autoscaler.cluster.client import Api
from autoscaler.cluster.habits import (
    by_options,
    configured,
    declared,
    unseen,
    with_overrides,
    with_rollout,
)
from autoscaler.cluster.workloads import StatefulSet
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import TargetSettings
from autoscaler.core.habits import Budget, Habits, gaps
from autoscaler.core.lint import lint
from autoscaler.core.model import Rollout, WorkerSet, fresh, unknown
from autoscaler.sandbox.api.faults import Matching
from autoscaler.sandbox.api.server import ApiServer
from tests.kube import LABELS, Kube

TARGET = TargetSettings("ns", "w", ("q",))


def change(**container: Any) -> Any:
    """Return a change of the container of a worker set."""

    def apply(made: dict[str, Any]) -> None:
        made["spec"]["template"]["spec"]["containers"][0].update(container)

    return apply


def env(**values: str) -> list[dict[str, str]]:
    """Return an environment as a container has it."""
    return [{"name": name, "value": value} for name, value in values.items()]


def read(api: Api, kube: Kube, target: TargetSettings = TARGET) -> Habits:
    """Return what the worker set says."""
    found = api.get(kube.sets("w"), StatefulSet)
    return by_options(declared(found, target, fresh((), ""), fresh((), "")), found, target)


def test_what_a_worker_set_says(api: Api, kube: Kube):
    """Also what the API server has filled in."""

    def plain(made: dict[str, Any]) -> None:
        del (
            made["spec"]["podManagementPolicy"],
            made["spec"]["template"]["spec"]["terminationGracePeriodSeconds"],
        )
        change(command=["sh", "-c", "celery -A app worker"])(made)

    kube.make_set(change=plain)
    habits = read(api, kube)
    assert (habits.grace_seconds.value, habits.pod_management.value) == (30, "OrderedReady")
    assert (habits.partition.value, habits.shutdown.value, habits.shell.value) == (0, "", True)
    assert [one.code for one in lint(habits)] == ["ShellHidesSigterm", "GracePeriodShort", "OrderedReady"]


def test_what_a_worker_set_says_of_its_rollouts(api: Api, kube: Kube):
    """Its partition, and how far its pods have come, where it is seen."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    kube.make_set(change=lambda made: made["spec"].update(updateStrategy=strategy))
    assert read(api, kube).partition.value == 2
    rollout = Rollout("w-2", 3, 1, ("w-1 not updated",))
    for found, said in ((rollout, "1 of 3 updated, w-1 not updated"), (replace(rollout, waits_for=()), "")):
        seen = fresh(WorkerSet("uid", 3, rollout=found), "cluster")
        assert with_rollout(Habits(), seen).updating.value == said
    assert with_rollout(Habits(), fresh(WorkerSet("uid", 3), "cluster")).updating.value == ""
    assert with_rollout(Habits(), unknown("cluster", "gone")).updating.detail == "gone"


def test_what_airflows_environment_says(api: Api, kube: Kube):
    """In the absence of workers to ask."""
    kube.make_set(
        change=change(
            args=["bash", "-c", "exec airflow celery worker"],
            env=env(
                AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER="8",
                AIRFLOW__CELERY__TASK_ACKS_LATE="False",
                AIRFLOW__CELERY__WORKER_ENABLE_REMOTE_CONTROL="f",
                AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT="600",
            ),
        )
    )
    habits = read(api, kube)
    assert habits.prefetch_multiplier == fresh(
        8, "AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER of container worker"
    )
    assert (habits.acks_late.value, habits.remote_control.value) == (False, False)
    assert (habits.visibility_seconds.value, habits.configured_visibility_seconds) == (600.0, 3600.0)


@pytest.mark.parametrize(
    ("options", "multiplier", "fair"),
    [
        ("--prefetch-multiplier 2 -O fast", 2, False),
        ("--prefetch-multiplier=1 -Ofair", 1, True),
        ("--optimization=default", 8, True),
        ("--prefetch-multiplier=$(MORE) -O odd", 3, None),
        ("", 8, None),
    ],
)
def test_the_command_line_goes_first(api: Api, kube: Kube, options: str, multiplier: int, fair: bool | None):
    """Before the environment, as in Celery."""
    variables = env(AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER="8", MORE="3")
    kube.make_set(change=change(command=["celery", "worker", *options.split()], env=variables))
    habits = read(api, kube)
    assert (habits.prefetch_multiplier.value, habits.fair.value) == (multiplier, fair)


def test_values_that_make_no_sense_are_not_known(api: Api, kube: Kube):
    """Words, negative numbers, and what stands in a Secret."""
    reference = {"secretKeyRef": {"name": "s", "key": "k"}}
    kube.make_set(
        change=change(
            env=[
                *env(AIRFLOW__CELERY__WORKER_PREFETCH_MULTIPLIER="-1"),
                {"name": "AIRFLOW__CELERY__TASK_ACKS_LATE", "valueFrom": reference},
            ]
        )
    )
    habits = read(api, kube)
    assert habits.prefetch_multiplier.value is None
    assert habits.acks_late.value is None
    assert "task_acks_late, worker_prefetch_multiplier: the pod template does not say" in gaps(habits)


def test_a_container_that_is_not_there(api: Api, kube: Kube):
    """The rest of the worker set is told."""
    kube.make_set()
    target = TargetSettings("ns", "w", ("q",), broker=BrokerSettings(container="other"))
    habits = read(api, kube, target)
    assert habits.grace_seconds.value == 0
    assert "the pod template does not have a container named other" in habits.shutdown.detail


def test_a_target_that_is_not_there():
    """Its own settings are known."""
    habits = unseen(TargetSettings("ns", "w", ("q",), remote_control=False), "there is no StatefulSet ns/w")
    assert [one.code for one in lint(habits)] == ["RemoteControlOff"]
    assert len(gaps(habits)) == 1
    assert configured(TARGET).remote_control.value is None


BUDGET = "/apis/policy/v1/namespaces/{}/poddisruptionbudgets"


def make_budget(kube: Kube, name: str, **spec: Any) -> None:
    """Make a PodDisruptionBudget."""
    kube.call("POST", BUDGET.format(kube.namespace), {"metadata": {"name": name}, "spec": spec})


def test_budgets_that_cover_the_workers(api: Api, kube: Kube):
    """By label or by expression; one without a selector covers nothing, an empty one everything."""
    make_budget(kube, "by-label", minAvailable=1, selector={"matchLabels": LABELS})
    make_budget(kube, "all", maxUnavailable="10%", selector={})
    make_budget(kube, "others", minAvailable=1, selector={"matchLabels": {"app": "other"}})
    make_budget(kube, "none", minAvailable=1)
    seen = covering(api, kube.namespace, LABELS)
    assert seen.value == (Budget("all", "maxUnavailable 10%", 0), Budget("by-label", "minAvailable 1", 0))


def test_without_the_right_budgets_are_not_known(api: Api, kube: Kube, server: ApiServer):
    """Nor where the API server is in trouble."""
    server.faults.fail(403, Matching(verb="list", resource="poddisruptionbudgets.policy"))
    seen = covering(api, kube.namespace, LABELS)
    assert seen.value is None
    assert seen.detail.startswith("they cannot be read: ")


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ({"key": "app", "operator": "In", "values": ["w"]}, True),
        ({"key": "app", "operator": "In", "values": ["x"]}, False),
        ({"key": "app", "operator": "NotIn", "values": ["x"]}, True),
        ({"key": "tier", "operator": "NotIn", "values": ["x"]}, True),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "Exists"}, False),
        ({"key": "tier", "operator": "DoesNotExist"}, True),
        ({"key": "app", "operator": "Odd"}, False),
    ],
)
def test_expressions_of_a_selector(expression: Mapping[str, object], holds: bool):
    """As the API server reads them."""
    selector = msgspec.convert({"matchExpressions": [expression]}, Selector)
    assert selector.matches({"app": "w"}) is holds


def test_what_annotations_order(api: Api, kube: Kube):
    """Those in force at the time, and those that are ignored, against the configured maximum too."""

    def annotate(made: dict[str, Any]) -> None:
        made["metadata"]["annotations"] = {
            "autoscaler/paused": "true until 2026-11-24T18:00:00Z",
            "autoscaler/max-replicas": "11",
            "autoscaler/exclude": "ture",
            "other/paused": "true",
        }

    kube.make_set(change=annotate)
    found = api.get(kube.sets("w"), StatefulSet)
    habits = with_overrides(Habits(), found, TARGET, datetime(2026, 11, 24, 17, 59, tzinfo=UTC).timestamp())
    assert habits.overrides == (
        "autoscaler/max-replicas is 11 by annotation",
        "autoscaler/paused by annotation until 2026-11-24T18:00:00Z",
    )
    assert habits.ignored_overrides == (
        "autoscaler/exclude: 'ture' is neither true nor false: it is ignored",
        "autoscaler/max-replicas: 11 is more than max_replicas = 10 of the configuration, which holds",
    )
    over = with_overrides(Habits(), found, TARGET, datetime(2026, 11, 24, 18, 0, tzinfo=UTC).timestamp())
    assert over.overrides == ("autoscaler/max-replicas is 11 by annotation",)
