"""Many like actions of a controller, tried carefully: a few first, more while none is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from autoscaler.sandbox.errors import ApiError

LARGEST = 500  # the controllers' burstReplicas

Item = TypeVar("Item")


def in_batches(items: Sequence[Item], act: Callable[[Item], object]) -> None:
    """Act on all items in batches of 1, 2, 4, … (slowStartBatch).

    The refusals of a batch end it before the next. Raises the first `ApiError` of that batch.
    """
    for batch in _batches(items):
        refusals = [refusal for refusal in (_refusal(act, item) for item in batch) if refusal is not None]
        if refusals:
            raise refusals[0]


def _refusal(act: Callable[[Item], object], item: Item) -> ApiError | None:
    try:
        act(item)
    except ApiError as error:
        return error
    return None


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    start, size = 0, 1
    while start < len(items):
        yield items[start : start + size]
        start, size = start + size, min(2 * size, LARGEST)
