"""What workers say of how they are set up, and what becomes of it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from autoscaler.brokers.habits import (
    DECODERS,
    IDLE,
    NOBODY,
    SWITCHED_OFF,
    Said,
    ask,
    merged,
    said_by,
    unasked,
)
from autoscaler.brokers.workers_answers import Garbled, decode
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.model import TargetSettings
from autoscaler.core.habits import Habits, gaps
from autoscaler.core.lint import lint
from autoscaler.core.model import fresh
from tests.brokers.rabbits import Vhost
from tests.brokers.servers import RedisServer, free_port, wait_until
from tests.brokers.workers_app import LoadWorker, producing

BROKER = BrokerSettings(timeout_seconds=5.0, answer_timeout_seconds=2.0)
TARGET = TargetSettings("ns", "w", ("q",), broker=BROKER)
DECLARED = Habits(
    visibility_seconds=fresh(3600.0, "broker.visibility_timeout_seconds"),
    configured_visibility_seconds=3600.0,
)


def told(command: str, answer: object) -> Any:
    """Return what is decoded of a node's answer."""
    body = json.dumps({"celery@w-0": answer})
    return decode(command, body, "application/json", DECODERS)["celery@w-0"]


def test_only_what_is_needed_is_kept():
    """No password of the configuration, and no argument of a task."""
    conf = {
        "broker_url": "redis://:hunter2@h",
        "broker_transport_options": {"visibility_timeout": 600, "sentinel_kwargs": {"password": "hunter2"}},
        "task_acks_late": True,
        "worker_prefetch_multiplier": 2,
    }
    active = [{"id": "1", "time_start": 900.0, "args": ["hunter2"], "kwargs": {"token": "hunter2"}}]
    answers = {"conf": told("conf", conf), "active": told("active", active)}
    assert "hunter2" not in repr(answers)
    said = said_by("celery@w-0", answers, 1000.0)
    assert said == Said("celery@w-0", True, 2, 600.0, None, None, 100.0)  # noqa: FBT003


@pytest.mark.parametrize(
    ("conf", "expected"),
    [
        ({}, (False, 4, 3600.0)),
        ({"broker_transport_options": None}, (False, 4, 3600.0)),
        ({"broker_transport_options": {"visibility_timeout": "a day"}}, (False, 4, 3600.0)),
        ({"task_acks_late": "yes", "worker_prefetch_multiplier": "4"}, (None, None, 3600.0)),
        ({"worker_prefetch_multiplier": -1}, (False, None, 3600.0)),
        ({"worker_prefetch_multiplier": 2, "worker_disable_prefetch": True}, (False, 1, 3600.0)),
        ({"task_acks_late": False, "worker_prefetch_multiplier": 0}, (False, 0, 3600.0)),
    ],
)
def test_what_a_configuration_says(conf: dict[str, object], expected: tuple[object, ...]):
    """What it leaves out is Celery's default, kombu's being an hour; another type is not known."""
    said = said_by("celery@w-0", {"conf": told("conf", conf)}, 0.0)
    assert (said.acks_late, said.prefetch_multiplier, said.visibility_seconds) == expected


@pytest.mark.parametrize(
    ("stats", "slots", "fair"),
    [
        ({"pool": {"max-concurrency": 2, "writes": {"strategy": "fair"}}}, 2, True),
        ({"pool": {"max-concurrency": 2, "writes": {"strategy": "fcfs"}}}, 2, False),
        ({"pool": {"max-concurrency": 1, "writes": "N/A"}, "autoscaler": {"max": 6}}, 6, None),
        ({}, None, None),
    ],
)
def test_what_statistics_say(stats: dict[str, object], slots: int | None, fair: bool | None):
    """The slots, and how a prefork pool hands out tasks."""
    said = said_by("celery@w-0", {"stats": told("stats", stats)}, 0.0)
    assert (said.slots, said.fair) == (slots, fair)


def test_how_long_tasks_run():
    """A task that is not begun has no start, and clocks may differ."""
    for starts, longest in (([None], 0.0), ([], 0.0), ([1010.0], 0.0), ([990.0, 940.0, None], 60.0)):
        active = [{"id": str(n), "time_start": start} for n, start in enumerate(starts)]
        assert said_by("n", {"active": told("active", active)}, 1000.0).longest_seconds == longest


def test_an_answer_of_another_form():
    """Is refused, without any of it."""
    with pytest.raises(Garbled, match="something else"):
        told("conf", ["hunter2"])


def test_workers_that_differ():
    """The one that there is most to say about counts, by its name."""
    said = [
        Said(
            "a", acks_late=True, prefetch_multiplier=4, visibility_seconds=9.0, slots=2, longest_seconds=0.0
        ),
        Said("b", acks_late=False, prefetch_multiplier=0, visibility_seconds=5.0, longest_seconds=7.0),
        Said("c"),
    ]
    seen = merged(Habits(redelivers=fresh(value=True, source="")), said)
    assert (seen.acks_late, seen.prefetch_multiplier) == (fresh(value=False, source="b"), fresh(0, "b"))
    assert (seen.visibility_seconds, seen.longest_task_seconds) == (fresh(5.0, "b"), fresh(7.0, "b"))
    assert (seen.slots, seen.fair.value) == (fresh(2, "a"), None)


def test_idle_and_silent_workers():
    """No task that runs is no proof that tasks are short."""
    idle = merged(DECLARED, [Said("a", longest_seconds=0.0)]).longest_task_seconds
    assert (idle.value, idle.detail) == (None, IDLE)
    silent = merged(DECLARED, [Said("a", acks_late=True)]).longest_task_seconds
    assert (silent.value, silent.detail) == (None, "workers do not say what they run")


@pytest.mark.parametrize(
    ("url", "target", "pods", "reason"),
    [
        ("sqs://h", TARGET, ("w-0",), "sqs"),
        ("redis://127.0.0.1:1", TARGET, (), NOBODY),
        ("redis://127.0.0.1:{port}", TARGET, ("w-0",), "refused the connection"),
    ],
)
def test_why_workers_were_not_asked(url: str, target: TargetSettings, pods: tuple[str, ...], reason: str):
    """What the pod template says stands, the rest is a gap."""
    url = url.replace("{port}", str(free_port()))
    seen = ask(Habits(acks_late=fresh(value=True, source="env")), target, url, pods)
    assert seen.acks_late.value is True
    assert reason in seen.longest_task_seconds.detail
    assert any("how long tasks run" in gap and reason in gap for gap in gaps(seen))


def test_remote_control_that_is_off():
    """Nobody is asked, and nothing is taken for known."""
    off = Habits(remote_control=fresh(value=False, source="remote_control"))
    seen = ask(off, TARGET, "amqp://127.0.0.1:1", ("w-0",))
    assert seen.longest_task_seconds.detail == SWITCHED_OFF
    assert (seen.redelivers.value, seen.visibility_seconds.detail) == (False, "")
    assert unasked(Habits(), "x").redelivers.detail == "x"


@pytest.mark.servers
def test_a_real_worker(server: RedisServer, tmp_path: Path):
    """Its configuration, its pool, and the task that it runs, with no trace left at the broker."""
    with ExitStack() as stack:
        options = {"worker_prefetch_multiplier": 3, "broker_transport_options": {"visibility_timeout": 50}}
        pool = ("--pool", "prefork", "--concurrency", "2", "-O", "fair")
        worker = LoadWorker(server.url, "celery@w-0", "--queues", "q", *pool, **options, task_acks_late=True)
        stack.callback(worker.close)
        seen = ask(DECLARED, TARGET, server.url, ("w-0",))
        assert (seen.longest_task_seconds.value, seen.longest_task_seconds.detail) == (None, IDLE)
        keys = server.keys()
        producer = stack.enter_context(producing(server.url, tmp_path))
        producer.send(1)
        wait_until(lambda: ask(DECLARED, TARGET, server.url, ("w-0",)).longest_task_seconds.value, "the task")
        later = ask(DECLARED, TARGET, server.url, ("w-0", "w-1"), lambda: 4e9)
        assert {key for key in server.keys() - keys if "celery-autoscaler" in key} == set()
    assert seen.remote_control.value is True
    assert (seen.acks_late, seen.prefetch_multiplier) == (
        fresh(value=True, source="celery@w-0"),
        fresh(3, "celery@w-0"),
    )
    assert (seen.visibility_seconds.value, seen.fair.value, seen.slots.value) == (50.0, True, 2)
    assert later.longest_task_seconds.value is not None
    assert later.longest_task_seconds.value > 1e9
    assert {"VisibilityTimeoutShort", "PrefetchHoarding", "VisibilityTimeoutDiffers"} == {
        one.code for one in lint(later)
    }


@pytest.mark.servers
def test_a_worker_that_is_silent(server: RedisServer):
    """Said by name."""
    target = TargetSettings("ns", "w", ("q",), broker=BrokerSettings(answer_timeout_seconds=0.2))
    seen = ask(DECLARED, target, server.url, tuple(f"w-{n}" for n in range(5)))
    assert seen.acks_late.detail == "no answer from celery@w-0, celery@w-1, celery@w-2 and 2 more"


@pytest.mark.servers
def test_a_real_worker_at_a_rabbitmq(vhost: Vhost):
    """The same answers; nothing is delivered again there after a timeout."""
    worker = LoadWorker(vhost.url, "celery@w-0", "--queues", "q", "--pool", "threads", "--concurrency", "2")
    try:
        seen = ask(DECLARED, TARGET, vhost.url, ("w-0",))
    finally:
        worker.close()
    assert (seen.acks_late.value, seen.prefetch_multiplier.value, seen.slots.value) == (False, 4, 2)
    assert (seen.redelivers.value, seen.visibility_seconds.value) == (False, None)
    assert gaps(seen)[-1] == f"how long tasks run: {IDLE}"
