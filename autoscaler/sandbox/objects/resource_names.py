"""Which names resources may have, and what follows from a name.

The lists and rules are those of pkg/apis/core/helper, which validation and quotas share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_NAME_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
)
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_PREFIX_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
    "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    f"'{_PREFIX.pattern}')"
)
_LONGEST, _LONGEST_PREFIX = 63, 253
_HUGE_PAGES = "hugepages-"
_QUOTA_HUGE_PAGES = (_HUGE_PAGES, "requests.hugepages-")

OBJECT_COUNTS = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    }
)
"""What quotas count object by object, so only in whole numbers."""

_OF_CONTAINERS = frozenset({"cpu", "memory", "ephemeral-storage"})
_COMPUTE = frozenset(f"{side}{name}" for side in ("", "requests.", "limits.") for name in _OF_CONTAINERS)
_OF_QUOTAS = _COMPUTE | OBJECT_COUNTS | {"requests.storage"}


def is_native(name: str) -> bool:
    """Whether a name belongs to Kubernetes itself."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Whether a name is that of an extended resource, such as "nvidia.com/gpu"."""
    foreign = not is_native(name) and not name.startswith("requests.")
    return foreign and not any(name_complaints(f"requests.{name}"))


def is_huge_pages(name: str) -> bool:
    """Whether a name is that of huge pages of some size."""
    return name.startswith(_HUGE_PAGES)


def is_whole(name: str) -> bool:
    """Whether a resource comes in whole numbers only."""
    return name in OBJECT_COUNTS or is_extended(name)


def may_overcommit(name: str) -> bool:
    """Whether less may be requested of a resource than it is limited to."""
    return is_native(name) and not is_huge_pages(name)


def is_known(name: str) -> bool:
    """Whether a name without a domain is one that Kubernetes knows."""
    return name in _OF_QUOTAS or name == "storage" or name.startswith(_QUOTA_HUGE_PAGES)


def is_of_quotas(name: str) -> bool:
    """Whether a name without a domain is one that quotas know."""
    return name in _OF_QUOTAS or name.startswith(_QUOTA_HUGE_PAGES)


def is_of_containers(name: str) -> bool:
    """Whether a container may ask for a name without a domain."""
    return name in _OF_CONTAINERS or is_huge_pages(name)


def is_of_whole_pods(name: str) -> bool:
    """Whether a resource may be asked for by a pod as a whole."""
    return name in {"cpu", "memory"} or is_huge_pages(name)


def name_complaints(name: str) -> Iterator[str]:
    """Yield what keeps a name from being a qualified one: an optional domain, "/" and a name."""
    prefix, slash, last = name.rpartition("/")
    if "/" in prefix:
        rule = _NAME_RULE + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        yield f"a valid label key {rule}"
        return
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash and len(prefix) > _LONGEST_PREFIX:
        yield f"prefix part must be no more than {_LONGEST_PREFIX} bytes"
    elif slash and not _PREFIX.fullmatch(prefix):
        yield f"prefix part {_PREFIX_RULE}"
    if not last:
        yield "name part must be non-empty"
    elif len(last) > _LONGEST:
        yield f"name part must be no more than {_LONGEST} bytes"
    if not re.fullmatch(_NAME, last):
        yield f"name part {_NAME_RULE}"
