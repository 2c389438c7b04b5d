"""What a pod template makes of SIGTERM before, or instead of, the worker.

Celery ends its running tasks on SIGTERM and kills them on SIGQUIT. Kubernetes signals the first process
of a container only, and a shell that is that process waits for the worker and passes nothing on.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import groupby
from pathlib import PurePosixPath

from autoscaler.cluster.kinds import Container
from autoscaler.cluster.template import command_words, plain_value

REMAP = "REMAP_SIGTERM"
COLD = "SIGQUIT"
KILLS = re.compile(r"\b(?:p?kill|killall)\b[^;&|\n]*?\s(?:-s\s*|--signal[= ]|-)(?:(?:SIG)?QUIT|3)\b")
SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh"})
ASSIGNMENT = re.compile(r"\w+=")
KEYWORDS = frozenset({"!", "do", "then", "else", "time", "{"})
SEPARATORS = ";&|()\n"


class Unclear(Exception):
    """A template does not tell what happens; the text says why."""


def cold_signal(container: Container) -> str:
    """Return what in a template turns the end of a worker into a cold shutdown, empty where nothing does."""
    where = f"of container {container.name}"
    words = command_words(container)
    if plain_value(container, REMAP) == COLD:
        return f"{REMAP}={COLD} in the environment {where}"
    if f"{REMAP}={COLD}" in words:
        return f"{REMAP}={COLD} in the command {where}"
    if container.lifecycle is not None and container.lifecycle.stop_signal == COLD:
        return f"lifecycle.stopSignal {COLD} {where}"
    if KILLS.search(" ".join(_pre_stop(container))):
        return f"the preStop {where}, which sends {COLD},"
    if KILLS.search(" ".join(words)):
        return f"the command {where}, which sends {COLD},"
    return ""


def shell_in_between(container: Container) -> bool:
    """Return whether a shell that does not pass SIGTERM on stands before the worker.

    As far as the template says: an entrypoint of the image may stand before both. Raises `Unclear`.
    """
    line = [*(container.command or ()), *(container.args or ())]
    if not line:
        raise Unclear("the command is the image's own")
    begun = next((index for index, word in enumerate(line) if _name(word) in SHELLS), None)
    if begun is None:
        return False
    if _execs(_script(line[begun + 1 :])):
        return False
    if begun > 0 or not container.command:
        raise Unclear("a shell is started by something else, which may signal all processes")
    if _pre_stop(container):
        raise Unclear("a preStop may signal the worker")
    return True


def _pre_stop(container: Container) -> Sequence[str]:
    hook = container.lifecycle.pre_stop if container.lifecycle is not None else None
    return hook.exec.command or () if hook is not None and hook.exec is not None else ()


def _name(word: str) -> str:
    return PurePosixPath(word).name


def _script(arguments: Sequence[str]) -> str:
    """Return the text after `-c`, be it among other letters."""
    for index, word in enumerate(arguments[:-1]):
        if re.fullmatch(r"-[a-z]*c", word):
            return arguments[index + 1]
    raise Unclear("the worker is started by a script that cannot be read")


def _execs(script: str) -> bool:
    """Return whether the shell becomes the worker."""
    commands = _commands(script)
    if any("trap" in words[:1] for words in commands):
        raise Unclear("the script traps signals")
    for words in commands:
        if any(_name(word) == "celery" for word in words) and "worker" in words:
            return words[0] == "exec"
    raise Unclear("the worker is started by a script that cannot be read")


def _commands(script: str) -> list[list[str]]:
    """Return the simple commands of a script, without what stands before their names."""
    lines = (line for line in script.replace("\\\n", " ").split("\n") if not line.lstrip().startswith("#"))
    lexer = shlex.shlex("\n".join(lines), posix=True, punctuation_chars=SEPARATORS)
    lexer.whitespace = " \t\r"
    lexer.commenters = ""
    try:
        tokens = list(lexer)
    except ValueError:
        raise Unclear("the worker is started by a script that cannot be read") from None
    groups = groupby(tokens, key=lambda token: not set(token) - set(SEPARATORS))
    return [_bare(list(words)) for separates, words in groups if not separates]


def _bare(words: list[str]) -> list[str]:
    while words and (words[0] in KEYWORDS or ASSIGNMENT.match(words[0])):
        words.pop(0)
    return words
