"""One look at every target for `autoscaler check`: how its workers are set up, and what to say of it.

Nothing is written: the cluster is listed as the daemon lists it, each broker's URL is found as the daemon
finds it, and workers are asked once. What cannot be seen of a target is said along with the rest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus

from autoscaler.brokers import habits as workers
from autoscaler.cluster import habits as cluster
from autoscaler.cluster import hpas
from autoscaler.cluster.budgets import covering
from autoscaler.cluster.client import Api, ApiError
from autoscaler.cluster.url_sources import UrlSources
from autoscaler.cluster.view import ClusterView
from autoscaler.config.model import Settings, TargetSettings, deployment_namespaces
from autoscaler.core.habits import Habits
from autoscaler.core.lint import Examined, examined
from autoscaler.ports import BrokerUnknown


class Unreachable(Exception):
    """The cluster could not be looked at; the text says why."""


def examine(settings: Settings, api: Api) -> tuple[Examined, ...]:
    """Look at all targets, in their order. Raises `Unreachable`."""
    try:
        api.get("/version", dict[str, object])
    except ApiError as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise Unreachable(f"{api.host}: {error.message}") from error
    controller = settings.controller
    view = ClusterView(
        api,
        None if controller.cluster_wide else {target.namespace for target in settings.targets},
        time.monotonic,
        pod_label_selector=controller.pod_label_selector,
        deployments=deployment_namespaces(settings),
    )
    view.start()
    try:
        view.wait_settled(controller.api_timeout_seconds, time.monotonic)
        with ThreadPoolExecutor(controller.threads) as pool:
            found: Sequence[Habits] = list(pool.map(partial(look, api, view), settings.targets))
    finally:
        view.stop()
    pairs = zip(settings.targets, found, strict=True)
    return tuple(examined(target.ref, habits) for target, habits in pairs)


def look(api: Api, view: ClusterView, target: TargetSettings) -> Habits:
    """Return what is known of how a target's workers are set up."""
    found, seen = view.workload(target.ref), view.worker_set(target.ref)
    if found is None:
        return cluster.unseen(target, seen.detail)
    labels = found.spec.template.metadata.labels or {}
    budgets = covering(api, target.namespace, labels)
    habits = cluster.declared(found, target, budgets, hpas.on(api, target.ref))
    habits = cluster.with_overrides(habits, found, target, time.time())
    habits = cluster.with_rollout(habits, seen)
    habits = cluster.with_room(habits, api, found, seen)
    sources = UrlSources(api, view)
    try:
        url = sources.read(target, target.broker, sources.template(target, target.broker))
    except BrokerUnknown as error:
        return workers.unasked(habits, str(error))
    if seen.value is None:
        return workers.unasked(habits, seen.detail)
    pods = [pod.name for pod in seen.value.pods if pod.ready and not pod.terminating]
    return cluster.by_options(workers.ask(habits, target, url, pods), found, target)
