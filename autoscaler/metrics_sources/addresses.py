"""Whose Airflow a target belongs to, and where its parts are."""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.config.model import TargetSettings

WORKER_SUFFIX = "-worker"


def release(target: TargetSettings) -> str:
    """Return the Helm release of a target's Airflow.

    Both charts name worker sets `<release>-worker` and `<release>-worker-<set>`.
    """
    if target.airflow.release is not None:
        return target.airflow.release
    return target.name.partition(WORKER_SUFFIX)[0] or target.name


def filled_in(text: str, target: TargetSettings) -> str:
    """Return a text of the configuration with the target's names in place of {namespace}, {name}, {release}.

    Other braces, of which PromQL is full, stay as they are.
    """
    names: Mapping[str, str] = {
        "{namespace}": target.namespace,
        "{name}": target.name,
        "{release}": release(target),
    }
    for mark, name in names.items():
        text = text.replace(mark, name)
    return text
