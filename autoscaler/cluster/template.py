"""What a pod template tells about its worker: its environment, and how many tasks it runs at a time.

The environment is put together as the kubelet does
(https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/):
`envFrom` first, `env` over it, later entries over earlier ones, `$(NAME)` replaced by what stands before
it, `$$(NAME)` kept as `$(NAME)`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from autoscaler.cluster.kinds import Container, EnvFrom, EnvVar, PodTemplate

REFERENCE = re.compile(r"\$\$|\$\(([^)]+)\)")
CONCURRENCY_ENV = (
    "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    "CELERY_WORKER_CONCURRENCY",
    "CELERYD_CONCURRENCY",
)
AUTOSCALE_ENV = ("AIRFLOW__CELERY__WORKER_AUTOSCALE", "CELERY_WORKER_AUTOSCALE")

ReadSecret = Callable[[str], Mapping[str, str]]


class NotInTemplate(Exception):
    """A pod template does not yield what was looked for; the text says why."""


def worker_container(template: PodTemplate, name: str | None) -> Container:
    """Return the named container, or the first. Raises `NotInTemplate`."""
    for container in template.spec.containers or ():
        if name is None or container.name == name:
            return container
    wanted = "any container" if name is None else f"a container named {name}"
    raise NotInTemplate(f"the pod template does not have {wanted}")


def secrets_of(container: Container, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the Secrets that the values of these variables may be read from, sorted."""
    found: set[str] = set()

    def read(secret: str) -> Mapping[str, str]:
        found.add(secret)
        return {}

    for name in names:
        try:
            Environment(container, read).value(name)
        except NotInTemplate:
            continue
    return tuple(sorted(found))


class Environment:
    """The environment of a container, looked up name by name so that only needed Secrets are read."""

    def __init__(self, container: Container, read_secret: ReadSecret) -> None:
        self._env = container.env or ()
        self._env_from = container.env_from or ()
        self._read_secret = read_secret

    def value(self, name: str) -> str | None:
        """Return a variable's value, None where it is not set.

        Raises `NotInTemplate` where it is set from something that is not read here, and whatever
        `read_secret` raises.
        """
        return self._at(name, len(self._env))

    def _at(self, name: str, end: int) -> str | None:
        """Return the value as it stands before entry `end` of `env`."""
        for index in range(end - 1, -1, -1):
            entry = self._env[index]
            if entry.name == name:
                return self._entry(entry, index)
        for source in reversed(self._env_from):
            value = self._from(source, name)
            if value is not None:
                return value
        return None

    def _entry(self, entry: EnvVar, index: int) -> str | None:
        if entry.value_from is None:
            return self._expanded(entry.value, index)
        ref = entry.value_from.secret_key_ref
        if ref is None:
            raise NotInTemplate(
                f"{entry.name} is set from something other than a value or a Secret, which is not read"
            )
        data = self._read_secret(ref.name)
        if ref.key in data:
            return data[ref.key]
        if ref.optional:
            return None
        raise NotInTemplate(f"{entry.name} is set from key {ref.key} of Secret {ref.name}, which has none")

    def _expanded(self, text: str, index: int) -> str:
        def replaced(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            value = self._at(match[1], index)
            return match[0] if value is None else value

        return REFERENCE.sub(replaced, text)

    def _from(self, source: EnvFrom, name: str) -> str | None:
        if source.secret_ref is None or not name.startswith(source.prefix):
            return None
        return self._read_secret(source.secret_ref.name).get(name.removeprefix(source.prefix))


def declared_slots(container: Container) -> tuple[int, str] | None:
    """Return the tasks that a worker will run at a time and where that is said, None where it is not.

    Of `celery worker`'s own options `--autoscale` (its maximum) goes before `--concurrency`, as in
    Celery, and both before the environment.
    """
    environment = Environment(container, _no_secrets)
    options = worker_options(container)
    for names, parse in ((("--autoscale",), _autoscale), (("-c", "--concurrency"), _positive)):
        slots = parse(option(options, names))
        if slots is not None:
            return slots, f"{names[-1]} of container {container.name}"
    for variables, parse in ((AUTOSCALE_ENV, _autoscale), (CONCURRENCY_ENV, _positive)):
        for variable in variables:
            slots = parse(_quietly(environment, variable))
            if slots is not None:
                return slots, f"{variable} of container {container.name}"
    return None


def plain_value(container: Container, name: str) -> str | None:
    """Return the value of a variable that is set without a Secret, None where there is none."""
    return _quietly(Environment(container, _no_secrets), name)


def worker_options(container: Container) -> list[str]:
    """Return the words after `worker` in the command line of `celery worker`."""
    words = command_words(container)
    return words[words.index("worker") + 1 :] if "worker" in words else []


def _no_secrets(name: str) -> Mapping[str, str]:
    raise NotInTemplate(f"Secret {name} is not read for this")


def _quietly(environment: Environment, name: str) -> str | None:
    try:
        return environment.value(name)
    except NotInTemplate:
        return None


def _expand(word: str, environment: Environment) -> str:
    return REFERENCE.sub(
        lambda match: "$" if match[0] == "$$" else _quietly(environment, match[1]) or match[0], word
    )


def command_words(container: Container) -> list[str]:
    """Return the words of the command line, those of a shell's script among them."""
    environment = Environment(container, _no_secrets)
    return [_expand(word, environment) for word in _words(container)]


def _words(container: Container) -> list[str]:
    words: list[str] = []
    for word in (*(container.command or ()), *(container.args or ())):
        if any(space in word for space in " \n\t"):
            try:
                words.extend(shlex.split(word, comments=True))
            except ValueError:
                words.extend(word.split())
        else:
            words.append(word)
    return words


def option(words: list[str], names: tuple[str, ...]) -> str | None:
    """Return the value of the last occurrence of an option: `-c 4`, `-c4`, `--concurrency=4`."""
    value = None
    for index, word in enumerate(words):
        for name in names:
            if word == name and index + 1 < len(words):
                value = words[index + 1]
            elif word.startswith(f"{name}="):
                value = word.removeprefix(f"{name}=")
            elif not name.startswith("--") and word.startswith(name) and word[len(name) :].isdecimal():
                value = word[len(name) :]
    return value


def _positive(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() and int(text) > 0 else None


def _autoscale(text: str | None) -> int | None:
    return _positive(text.split(",")[0]) if text is not None else None
