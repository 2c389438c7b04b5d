"""Where a value that may hold a password comes from."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.config.setting import setting


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of a Secret in the target's namespace."""

    name: str = setting("name of the Secret", at_least=1)
    key: str = setting("key within it", at_least=1)
