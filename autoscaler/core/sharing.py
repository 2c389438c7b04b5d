"""One queue, several targets, and which of them a waiting task counts for.

Nobody can tell, since any of them may take it. So that the targets together ask for what the queue
needs, and no more, its messages are split between them in proportion to the workers that each may have,
by the largest remainder, ties going to the first by name. The same every time, and a message is never
counted twice nor left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autoscaler.core.account import QueueMessages


def parts(number: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Return the number split in proportion to the weights (equally if all are 0); they add up to it."""
    if not any(weights):
        weights = [1] * len(weights)
    total = sum(weights)
    whole = [number * weight // total for weight in weights]
    remainders = sorted(range(len(weights)), key=lambda i: (-(number * weights[i] % total), i))
    for i in remainders[: number - sum(whole)]:
        whole[i] += 1
    return tuple(whole)


def share_of(queue: QueueMessages, weights: Sequence[int], place: int) -> QueueMessages:
    """Return the part of a queue that falls to the target at a place among those that share it.

    Each priority is split by itself, and so are the tasks that are not due: each target keeps the first
    of them in mind, as many as fall to it.
    """
    if len(weights) == 1:
        return queue
    by_priority = tuple(
        (priority, parts(messages, weights)[place]) for priority, messages in queue.by_priority
    )
    mine = parts(len(queue.eta), weights)[place]
    return replace(queue, by_priority=by_priority, eta=queue.eta[:mine])
