"""What a configuration means is said in full, and without its secrets."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

from hypothesis import HealthCheck, given, settings

from autoscaler.config.describe import describe, summary
from autoscaler.config.model import Settings
from autoscaler.config.parse import parse
from tests.config.drawn import any_settings

TEXT = """
[[targets]]
namespace = "data"
name = "airflow-worker"
queues = ["default"]
[[targets]]
namespace = "shop"
name = "celery"
queues = ["a", "b", "c", "d", "e\\u001b]31m"]
min_replicas = 2
max_replicas = 30
slots_per_worker = 4
cooldownPeriod = 300
broker.secret = { name = "broker", key = "url" }
[[targets]]
namespace = "shop"
name = "by-variable"
queues = ["\\u001b"]
broker.url_env = "BROKER_URL"
[[targets]]
namespace = "shop"
name = "by-file"
queues = ["a", "b", "c"]
scale_up.stabilization_window_seconds = 1.5
broker.url_file = "/etc/broker"
[[targets]]
namespace = "shop"
name = "by-url"
queues = ["a"]
broker.url = "redis://user:hunter2@h:6379/0"
airflow = { metrics = "official", health_url = "http://h" }
airflow_database.url = "postgresql://user:hunter2@h/db"
hints = [{ name = "open orders", query = "x" }]
[prometheus]
url = "http://p"
"""

HINTS = "airflow metrics (official), airflow database, airflow health, open orders"


def test_the_text_has_a_line_for_each_target() -> None:
    """Where it is, what it consumes, how large it may be, where its broker's URL comes from, how soon."""
    lines = describe(parse(TEXT)).splitlines()
    assert lines[:3] == [
        "5 targets, looked at every 1 s; decisions are carried out",
        "watches 2 namespaces, one by one; metrics and probes on 0.0.0.0:8080",
        "",
    ]
    assert [re.split("  +", line) for line in lines[3:]] == [
        ["TARGET", "QUEUES", "REPLICAS", "SLOTS", "BROKER", "UP WINDOW", "DOWN WINDOW", "HINTS"],
        ["data/airflow-worker", "default", "0 to 10", "asked", "pod-template", "0 s", "60 s", "none"],
        ["shop/celery", "a, b, c and 2 more", "2 to 30", "4", "secret broker/url", "0 s", "300 s", "none"],
        ["shop/by-variable", "\\u001b", "0 to 10", "asked", "env BROKER_URL", "0 s", "60 s", "none"],
        ["shop/by-file", "a, b, c", "0 to 10", "asked", "file /etc/broker", "1.5 s", "60 s", "none"],
        ["shop/by-url", "a", "0 to 10", "asked", "url", "0 s", "60 s", HINTS],
    ]
    assert {len(line[: line.rindex("  ")]) for line in lines[3:]} == {len(lines[3]) - len("HINTS  ")}


def test_the_text_says_what_is_different_about_the_daemon() -> None:
    """A dry run above all."""
    controller = (
        '[controller]\ndry_run = true\ncluster_wide = true\nhttp_host = "::1"\npoll_interval_seconds = 2.5\n'
    )
    text = describe(parse(f'{controller}[[targets]]\nnamespace = "d"\nname = "w"\nqueues = ["a"]'))
    assert text.splitlines()[:2] == [
        "1 target, looked at every 2.5 s; dry run, nothing is written",
        "watches all namespaces at once; metrics and probes on [::1]:8080",
    ]


def test_the_values_are_those_of_the_text() -> None:
    """As JSON they are the documented fields."""
    values = json.loads(json.dumps(asdict(summary(parse(TEXT)))))
    assert {name: value for name, value in values.items() if name != "targets"} == {
        "poll_interval_seconds": 1.0,
        "dry_run": False,
        "watched_namespaces": ["data", "shop"],
        "http_address": "0.0.0.0:8080",
    }
    assert values["targets"][1] == {
        "namespace": "shop",
        "name": "celery",
        "kind": "StatefulSet",
        "queues": ["a", "b", "c", "d", "e\x1b]31m"],
        "min_replicas": 2,
        "max_replicas": 30,
        "slots_per_worker": 4,
        "broker_source": "secret",
        "broker_name": "broker/url",
        "scale_up_window_seconds": 0.0,
        "scale_down_window_seconds": 300.0,
        "hints": [],
    }
    sources = [(target["broker_source"], target["broker_name"]) for target in values["targets"]]
    assert sources[2:] == [("env", "BROKER_URL"), ("file", "/etc/broker"), ("url", "")]


def test_the_url_of_a_broker_is_never_shown() -> None:
    """Neither its password nor the rest of it."""
    parsed = parse(TEXT)
    shown = f"{describe(parsed)}{summary(parsed)}{parsed}{parsed!r}"
    assert "hunter2" not in shown
    assert "redis://" not in shown
    assert "postgresql://" not in shown


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(any_settings())
def test_any_settings_can_be_described(drawn: Settings) -> None:
    """In lines that a terminal can show, one for each target."""
    lines = describe(drawn).splitlines()
    assert len(lines) == len(drawn.targets) + 4
    assert all(line.isprintable() for line in lines)
    assert len(summary(drawn).targets) == len(drawn.targets)
