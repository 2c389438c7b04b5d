"""Three deploys while ten tasks run: how soon the demand is restored, and what becomes of the tasks.

A real Celery fleet, the daemon as a process, and an API server that is written to as `kubectl apply`, a
forced server-side apply and one without force would. Run it by `python -m benchmarks.deploys`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any

from autoscaler.cluster.client import Api, connect
from autoscaler.sandbox.event_log import Event
from benchmarks.stage.fleet import NAMESPACE, Manner, Target, worker_set
from benchmarks.stage.stage import Stage, wait_for
from benchmarks.stage.tasks import EVIDENCE

POLL_SECONDS = 0.5
"""The poll interval of the stage's daemon."""

TASKS, TASK_SECONDS = 10, 12.0
GRACE_SECONDS = 60
TARGET = Target("deployed", "redis", late=True, prefetch=1, slots=2, most=TASKS // 2)
PATH = f"/apis/apps/v1/namespaces/{NAMESPACE}/statefulsets/{TARGET.name}"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MERGE, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Deploy:
    """One deploy: the API server's answer, and how long the replicas were other than the demand's."""

    what: str
    status: int
    message: str
    restored_seconds: float

    @property
    def ticks(self) -> int:
        """The ticks that the restoring took."""
        return math.ceil(self.restored_seconds / POLL_SECONDS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: the deploys, what was told, and the tasks that did not run just once."""

    deploys: tuple[Deploy, ...]
    notices: tuple[str, ...]
    damaged: int
    done: int


class Replicas:
    """When the replicas of the target changed, and to what."""

    def __init__(self) -> None:
        self.changes: list[tuple[float, int]] = [(0.0, 0)]

    def note(self, event: Event) -> None:
        """Take note of a change."""
        if event.resource != "statefulsets.apps" or event.type == "DELETED":
            return
        replicas = event.object["spec"]["replicas"]
        if replicas != self.changes[-1][1]:
            self.changes.append((time.monotonic(), replicas))


def play() -> Outcome:
    """Play the scene and return what came of it."""
    manner = Manner(grace_seconds=GRACE_SECONDS)
    with Stage((TARGET,), manner) as stage, _watched(stage) as replicas:
        stage.start_daemon()
        for _ in range(TASKS):
            stage.send(TARGET, TASK_SECONDS)
        if not wait_for(lambda: _running(stage) == TASKS, 40.0):
            raise TimeoutError(f"{_running(stage)} tasks run: {stage.log()[-3000:]}")
        manifest = worker_set(TARGET, manner, "redis://elsewhere", "redis://elsewhere")
        with closing(connect(10.0, stage.cluster.kubeconfig)) as api:
            deploys = tuple(_deploys(api, manifest, replicas))
        wait_for(lambda: not any(stage.unfinished().values()), 2 * TASK_SECONDS)
        tally = stage.tally()
        return Outcome(deploys, tuple(_notices(stage.log())), tally.damaged, tally.done)


@contextmanager
def _watched(stage: Stage) -> Iterator[Replicas]:
    replicas = Replicas()
    unsubscribe = stage.cluster.store.subscribe(replicas.note)
    try:
        yield replicas
    finally:
        unsubscribe()


def _running(stage: Stage) -> int:
    done = [json.loads(raw)["what"] for raw in stage.evidence.lrange(EVIDENCE, 0, -1)]
    return done.count("began") - done.count("ended")


def _deploys(api: Api, manifest: dict[str, Any], replicas: Replicas) -> Iterator[Deploy]:
    """Deploy three times, with the replicas that the chart has."""
    spec = {"replicas": 1, "selector": manifest["spec"]["selector"]}
    head = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": TARGET.name}}
    applied = json.dumps({**head, "spec": spec})
    patch = {"metadata": {"annotations": {LAST_APPLIED: applied}}, "spec": {"replicas": 1}}
    yield _deploy(api, "client-side", MERGE, patch, "fieldManager=kubectl-client-side-apply", replicas)
    config = {**head, "spec": {"replicas": 1}}
    yield _deploy(api, "forced", APPLY, config, "fieldManager=helm&force=true", replicas)
    yield _deploy(api, "unforced", APPLY, config, "fieldManager=helm", replicas)


def _deploy(
    api: Api, what: str, content_type: str, body: dict[str, Any], query: str, replicas: Replicas
) -> Deploy:
    before = len(replicas.changes)
    wanted = replicas.changes[-1][1]
    headers = {"Content-Type": content_type, "Accept": "application/json"}
    request = api.client.param_serialize(
        "PATCH",
        f"{PATH}?{query}",
        header_params=headers,
        body=json.dumps(body) if content_type == APPLY else body,
        auth_settings=["BearerToken"],
    )
    response = api.client.call_api(*request, _request_timeout=10)
    answer = json.loads(response.read())
    if response.status != HTTPStatus.OK:
        return Deploy(what, response.status, answer["message"], 0.0)
    restored = wait_for(
        lambda: len(replicas.changes) > before + 1 and replicas.changes[-1][1] == wanted, 10.0
    )
    seconds = replicas.changes[-1][0] - replicas.changes[before][0] if restored else math.inf
    return Deploy(what, response.status, "", round(seconds, 3))


def _notices(log: str) -> Iterator[str]:
    """Return what the daemon has told besides decisions."""
    for text in log.splitlines():
        line = json.loads(text) if text.startswith("{") else {}
        if line.get("reason") in {"ForeignWrite", "FightingWriter", "HpaWrite", "OtherPodsWent"}:
            yield f"{line['reason']}: {line['event']}"


def main() -> int:
    """Play the scene and print what came of it; the exit status says whether it went well."""
    outcome = play()
    print(json.dumps(asdict(outcome), indent=2))
    for deploy in outcome.deploys:
        if deploy.status == HTTPStatus.OK:
            print(f"{deploy.what}: restored after {deploy.restored_seconds} s, {deploy.ticks} ticks")
    well = all(deploy.ticks <= 2 for deploy in outcome.deploys)
    return 0 if well and not outcome.damaged and outcome.done == TASKS else 1


if __name__ == "__main__":
    sys.exit(main())
