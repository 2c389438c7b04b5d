"""Who may do what: bearer tokens, and rules like those of RBAC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoscaler.sandbox.objects.values import JSON, dig

_ANY = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is allowed, "*" standing for everything.

    `resources` are plurals without group, a subresource after a slash ("statefulsets/scale"), as in
    a Role. `namespaces` tells where the rule holds; what has no namespace needs "*". `names` narrows
    it to some objects.
    """

    verbs: tuple[str, ...]
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    namespaces: tuple[str, ...] = (_ANY,)
    names: tuple[str, ...] = ()

    def allows(self, wish: Wish) -> bool:
        """Return whether a wish is granted."""
        resource = f"{wish.resource}/{wish.subresource}" if wish.subresource else wish.resource
        return (
            _covers(self.verbs, wish.verb)
            and _covers(self.groups, wish.group)
            and (_covers(self.resources, resource) or f"*/{wish.subresource}" in self.resources)
            and _covers(self.namespaces, wish.namespace)
            and (not self.names or wish.name in self.names)
        )


@dataclass(frozen=True, slots=True)
class User:
    """A caller; `rules` None means that everything is allowed."""

    name: str
    rules: tuple[Rule, ...] | None = None

    def may(self, wish: Wish) -> bool:
        """Return whether the caller has the right."""
        return self.rules is None or any(rule.allows(wish) for rule in self.rules)


ADMINISTRATOR = User("system:admin")
"""Who everybody is while no tokens are configured."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that a caller wants to do; `namespace` "" is the whole cluster."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def refusal(self, user: User) -> str:
        """Return the sentence that tells a caller what it may not do."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        return (
            f'User "{user.name}" cannot {self.verb} resource "{resource}" in API group "{self.group}" {where}'
        )


def rules_of(role: Mapping[str, Iterable[JSON]], namespaces: tuple[str, ...] = (_ANY,)) -> tuple[Rule, ...]:
    """Return the rules of a Role or ClusterRole, as bound in some namespaces, "*" being all."""
    return tuple(
        Rule(
            tuple(rule.get("verbs") or ()),
            tuple(rule.get("apiGroups") or ()),
            tuple(rule.get("resources") or ()),
            namespaces,
            tuple(rule.get("resourceNames") or ()),
        )
        for rule in role.get("rules") or ()
        if rule.get("resources")
    )


def reviewed_wish(review: JSON) -> Wish:
    """Return what a SelfSubjectAccessReview asks about."""
    asked = dig(review, "spec", "resourceAttributes") or {}
    return Wish(
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("resource", ""),
        asked.get("subresource", ""),
        asked.get("namespace", ""),
        asked.get("name", ""),
    )


def _covers(allowed: tuple[str, ...], wanted: str) -> bool:
    return _ANY in allowed or wanted in allowed
