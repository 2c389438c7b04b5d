"""The targets of the soak: each way of taking and acknowledging tasks, on each broker."""

from __future__ import annotations

from benchmarks.stage.fleet import Target

TARGETS = (
    Target("redis-late-1", "redis", late=True, prefetch=1),
    Target("redis-early-1", "redis", late=False, prefetch=1),
    Target("redis-late-4", "redis", late=True, prefetch=4),
    Target("redis-early-4", "redis", late=False, prefetch=4),
    Target("redis-prefork", "redis", late=True, prefetch=1, pool="prefork"),
    Target("redis-solo", "redis", late=False, prefetch=1, pool="solo", slots=1),
    Target("rabbit-late-1", "rabbitmq", late=True, prefetch=1),
    Target("rabbit-early-1", "rabbitmq", late=False, prefetch=1),
    Target("rabbit-late-4", "rabbitmq", late=True, prefetch=4),
    Target("rabbit-early-4", "rabbitmq", late=False, prefetch=4),
)
