"""What makes an Event valid: core v1 is lenient, events.k8s.io/v1 insists on who did what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from autoscaler.sandbox.errors import Cause, invalid_value, required
from autoscaler.sandbox.objects.event_forms import to_core
from autoscaler.sandbox.objects.values import JSON

_QUALIFIED_NAME = re.compile(r"([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_NAME_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_NOTE_BYTES = 1024


def event_causes(obj: JSON, _old: JSON | None) -> Iterator[Cause]:
    """Yield what is wrong with an Event of either form.

    One with an eventTime is of the new style, which events.k8s.io/v1 insists on, and must say who
    reports and what was done; core v1 still takes the old style.
    """
    new_form = obj["apiVersion"] != "v1"
    event = to_core(obj) if new_form else obj
    namespace = event["metadata"].get("namespace", "")
    about = event["involvedObject"].get("namespace", "")
    if about != namespace and (about or namespace not in {"", "default", "kube-system"}):
        shown = json.dumps(about)
        yield invalid_value("involvedObject.namespace", shown, "does not match event.namespace")
    if event["eventTime"] is not None:
        yield from _new_style_causes(event, "reportingController" if new_form else "reportingComponent")
    elif new_form:
        yield required("eventTime")
    if new_form and event.get("type") not in {"Normal", "Warning"}:
        yield invalid_value("type", '""', f"has invalid value: {event.get('type', '')}")
    if new_form:
        yield from _old_style_causes(event)


def _new_style_causes(event: JSON, controller_field: str) -> Iterator[Cause]:
    controller = event["reportingComponent"]
    if not controller:
        yield required(controller_field)
    elif not _QUALIFIED_NAME.fullmatch(controller):
        yield invalid_value(controller_field, json.dumps(controller), _NAME_RULE)
    for field in ("reportingInstance", "action", "reason"):
        if not event.get(field):
            yield required(field)
    if len(event.get("message", "").encode()) > _NOTE_BYTES:
        yield invalid_value("message", '""', f"can have at most {_NOTE_BYTES} bytes")


def _old_style_causes(event: JSON) -> Iterator[Cause]:
    for field in ("firstTimestamp", "lastTimestamp", "count"):
        if event.get(field):
            yield invalid_value(field, '""', "needs to be unset")
