"""The rules that a type and a range cannot express: for one value, for one target, for the file.

A rule on a value looks at nothing else. A rule on a target looks at it after [defaults] have been
merged in, and says nothing where a value that it needs is known to be wrong already, so that one
fault is reported once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from autoscaler.config.airflow import AirflowSettings, DatabaseSettings
from autoscaler.config.broker import BrokerSettings
from autoscaler.config.literal import shown
from autoscaler.config.model import PrometheusSettings, TargetSettings
from autoscaler.config.problem import Fault, path_text
from autoscaler.config.schema import LOCATED, TARGET, UNSET, URL_SOURCES, Place, key_at
from autoscaler.config.sources import SecretKey
from autoscaler.core import reserve
from autoscaler.core.policy import SelectPolicy
from autoscaler.core.queues import is_closed

LABEL_CHARACTERS = 63
SUBDOMAIN_CHARACTERS = 253

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+:[ \t]*[ -~]+")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


@dataclass(frozen=True, slots=True)
class ValueRule:
    """What the value of one key has to be, beyond its type and range.

    `text` follows "must"; `meaning`, which starts with a colon, explains it to whoever broke it.
    """

    text: str
    holds: Callable[[Any], bool]
    meaning: str = ""


def _is_label(text: str) -> bool:
    return len(text) <= LABEL_CHARACTERS and _LABEL.fullmatch(text) is not None


def _is_subdomain(text: str) -> bool:
    return len(text) <= SUBDOMAIN_CHARACTERS and all(_LABEL.fullmatch(part) for part in text.split("."))


def _is_secret_key(text: str) -> bool:
    return len(text) <= SUBDOMAIN_CHARACTERS and _SECRET_KEY.fullmatch(text) is not None


def _is_variable(text: str) -> bool:
    return _VARIABLE.fullmatch(text) is not None


def _is_web(url: str) -> bool:
    kind, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    return kind in {"http", "https"} and bool(host) and "@" not in host


def _is_header(line: str) -> bool:
    return _HEADER.fullmatch(line) is not None


def _are_reserves(texts: Sequence[str]) -> bool:
    try:
        resources = [reserve.parse(text).resource for text in texts]
    except ValueError:
        return False
    return len(set(resources)) == len(resources)


def _is_ascending_from_zero(steps: Sequence[int]) -> bool:
    return steps[0] == 0 and all(low < high for low, high in pairwise(steps))


_LABEL_RULE = ValueRule(
    "be an RFC 1123 label",
    _is_label,
    f": lower-case letters, digits and inner dashes, at most {LABEL_CHARACTERS}",
)
_SUBDOMAIN_RULE = ValueRule(
    "be an RFC 1123 subdomain",
    _is_subdomain,
    f": lower-case letters, digits and inner dashes, with dots between, at most {SUBDOMAIN_CHARACTERS}",
)
_SECRET_KEY_RULE = ValueRule(
    "be a key that a Secret can have",
    _is_secret_key,
    f": letters, digits, dashes, dots and underscores, at most {SUBDOMAIN_CHARACTERS}",
)
_VARIABLE_RULE = ValueRule("be the name of an environment variable", _is_variable)
_VARIABLES_RULE = ValueRule("be names of environment variables", lambda names: all(map(_is_variable, names)))
_PATH_RULE = ValueRule("be a path, not a URL", lambda path: "://" not in path)
_WEB_RULE = ValueRule("begin with http:// or https:// and name a host, but no user", _is_web)

VALUE_RULES: Mapping[tuple[type, str], ValueRule] = {
    (TargetSettings, "namespace"): _LABEL_RULE,
    (TargetSettings, "name"): _SUBDOMAIN_RULE,
    (TargetSettings, "queues"): ValueRule(
        "name each queue once, and close each [ of a glob",
        lambda queues: len(set(queues)) == len(queues) and all(map(is_closed, queues)),
    ),
    (TargetSettings, "quota_reserve"): ValueRule(
        "be shares such as 10%, or resources of a quota with an amount or a share, as in pods: 2, each once",
        _are_reserves,
    ),
    (TargetSettings, "worker_node"): ValueRule("contain {pod}", lambda node: "{pod}" in node),
    (BrokerSettings, "url_env"): _VARIABLE_RULE,
    (BrokerSettings, "url_file"): _PATH_RULE,
    (BrokerSettings, "template_env"): _VARIABLES_RULE,
    (BrokerSettings, "container"): _LABEL_RULE,
    (BrokerSettings, "priority_steps"): ValueRule(
        "start with 0 and ascend, each step once", _is_ascending_from_zero
    ),
    (DatabaseSettings, "url_env"): _VARIABLE_RULE,
    (DatabaseSettings, "url_file"): _PATH_RULE,
    (DatabaseSettings, "template_env"): _VARIABLES_RULE,
    (AirflowSettings, "health_url"): _WEB_RULE,
    (PrometheusSettings, "url"): _WEB_RULE,
    (PrometheusSettings, "headers"): ValueRule(
        "be headers, each as in Name: value", lambda headers: all(map(_is_header, headers))
    ),
    (PrometheusSettings, "bearer_file"): _PATH_RULE,
    (PrometheusSettings, "ca_file"): _PATH_RULE,
    (SecretKey, "name"): _SUBDOMAIN_RULE,
    (SecretKey, "key"): _SECRET_KEY_RULE,
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A target before it is built.

    `own` and `defaults` hold what is valid of its own table and of [defaults]; `faulty` are the
    places of the file that are known to be wrong.
    """

    place: Place
    own: Mapping[str, Any]
    defaults: Mapping[str, Any]
    faulty: frozenset[Place]

    def whence(self, *path: str) -> Place | None:
        """Return the place that a value comes from: the target, [defaults], or None for neither."""
        if _look(self.own, path) is not UNSET:
            return self.place + path
        if _look(self.defaults, path) is not UNSET:
            return ("defaults", *path)
        return None

    def value(self, *path: str) -> Any:  # noqa: ANN401 - of the key's own type
        """Return a value of the target, the key's default where the file has none."""
        for values in (self.own, self.defaults):
            found = _look(values, path)
            if found is not UNSET:
                return found
        key = key_at(self.place + path)
        return UNSET if key is None else key.default

    def owns(self, place: Place | None) -> bool:
        """Whether a place is in the target's own table."""
        return place is not None and place[: len(self.place)] == self.place

    def is_sound(self, *path: str) -> bool:
        """Whether the value that the file has for a key, if any, is valid by itself."""
        if self._is_faulty(self.place + path):
            return False
        return _look(self.own, path) is not UNSET or not self._is_faulty(("defaults", *path))

    def _is_faulty(self, place: Place) -> bool:
        return any(place[:end] in self.faulty for end in range(1, len(place) + 1))


def has_required_keys(target: Draft) -> Iterator[Fault]:
    """Require a namespace, a name and queues of each target; the queues may come from [defaults]."""
    for key in TARGET.keys:
        if key.required and target.is_sound(key.name) and target.value(key.name) is UNSET:
            elsewhere = ", here or in [defaults]" if key_at(("defaults", key.name)) else ""
            yield Fault((*target.place, key.name), "", f"is required{elsewhere}")


def replicas_are_in_order(target: Draft) -> Iterator[Fault]:
    """Refuse a `min_replicas` greater than `max_replicas`."""
    names = ("min_replicas", "max_replicas")
    least, most = (target.value(name) for name in names)
    if not all(map(target.is_sound, names)) or least <= most:
        return
    lower, upper = (target.whence(name) for name in names)
    blamed = max(filter(None, (lower, upper)), key=target.owns)
    if blamed == lower:
        rule = f"must not be greater than max_replicas, which is {shown(most)}{_origin(upper)}"
        yield Fault(blamed, shown(least), rule)
    else:
        rule = f"must not be less than min_replicas, which is {shown(least)}{_origin(lower)}"
        yield Fault(blamed, shown(most), rule)


def policies_have_effect(target: Draft) -> Iterator[Fault]:
    """Refuse policies beside a `select_policy` that disables their direction: they would do nothing."""
    for direction in ("scale_up", "scale_down"):
        chosen, policies = (direction, "select_policy"), (direction, "policies")
        if not (target.is_sound(*chosen) and target.is_sound(*policies)):
            continue
        whence = target.whence(*policies)
        if whence is None or not target.value(*policies) or target.value(*chosen) != SelectPolicy.DISABLED:
            continue
        # a target may well disable a direction for which [defaults] has policies
        if target.owns(whence) or not target.owns(target.whence(*chosen)):
            rule = f"have no effect while select_policy is {shown(SelectPolicy.DISABLED.value)}"
            yield Fault(whence, shown(target.value(*policies)), rule)


def hints_have_names_of_their_own(target: Draft) -> Iterator[Fault]:
    """Refuse two hints of one name: nobody could tell which of them is spoken of."""
    if not target.is_sound("hints"):
        return
    whence, names = target.whence("hints"), [hint.get("name") for hint in target.value("hints")]
    for name in sorted({name for name in names if name is not None and names.count(name) > 1}):
        yield Fault(whence or target.place, shown(name), "is the name of several hints")


TARGET_RULES = (has_required_keys, replicas_are_in_order, policies_have_effect, hints_have_names_of_their_own)


def targets_are_different(targets: Sequence[Draft]) -> Iterator[Fault]:
    """Refuse to have the same target twice."""
    first: dict[tuple[Any, ...], Draft] = {}
    for target in targets:
        address = tuple(target.value(name) for name in ("namespace", "name", "kind"))
        if UNSET in address:
            continue
        earlier = first.setdefault(address, target)
        if earlier is not target:
            rule = f"is the same target as {path_text(earlier.place)}"
            yield Fault((*target.place, "name"), shown(address[1]), rule)


def has_targets(targets: Sequence[Draft]) -> Iterator[Fault]:
    """Require at least one target."""
    if not targets:
        yield Fault(("targets",), "", "at least one target is required, each under [[targets]]")


FILE_RULES = (has_targets, targets_are_different)


def has_one_url_source(table: Place, given: Mapping[Place, Place]) -> Iterator[Fault]:
    """Allow one source of a URL at most; for a broker, none means the pod template."""
    for part in LOCATED:
        located = (*table, part)
        named = [name for name in URL_SOURCES if (*located, name) in given]
        if len(named) > 1:
            yield Fault(located, "", f"names {' and '.join(named)}: give at most one source of the URL")


def _origin(place: Place | None) -> str:
    if place is None:
        return " by default"
    return " in [defaults]" if place[0] == "defaults" else ""


def _look(values: Mapping[str, Any], path: Sequence[str]) -> Any:  # noqa: ANN401 - as the file has it
    found: Any = values
    for step in path:
        if not isinstance(found, Mapping) or step not in found:
            return UNSET
        found = found[step]
    return found
