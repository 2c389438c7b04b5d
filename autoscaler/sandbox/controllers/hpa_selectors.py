"""Which HorizontalPodAutoscaler has pods of which selector: no pod may have two of them."""

from __future__ import annotations

from collections.abc import Iterable

from autoscaler.sandbox.controllers.finding import Key
from autoscaler.sandbox.objects import selectors
from autoscaler.sandbox.objects.kinds import kind_of
from autoscaler.sandbox.objects.values import JSON


class Claims:
    """The selectors with which autoscalers have looked for their pods so far."""

    def __init__(self) -> None:
        self._selectors: dict[Key, selectors.Selector] = {}

    def claim(self, key: Key, text: str, pods: Iterable[JSON]) -> tuple[Key, ...]:
        """Take note of an autoscaler's selector; return all that claim one of these pods, it among them.

        Where it is alone, nothing is returned.
        """
        self._selectors[key] = selectors.parse(kind_of("pods"), text)
        found = [
            other
            for other, selector in self._selectors.items()
            if other[0] == key[0] and any(selector.matches(pod) for pod in pods)
        ]
        return tuple(sorted(found)) if len(found) > 1 else ()

    def drop(self, key: Key) -> None:
        """Forget an autoscaler."""
        self._selectors.pop(key, None)
