"""Several questions to one Redis at a time, each of which may have to ask again.

What is asked next often depends on what was answered: which messages to look at is known once their
tags are. Such a question is a `Talk`, a generator that yields commands and is sent their answers. Talks
that have nothing to do with each other are held together, all their commands of one round in one trip.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence

import redis

from autoscaler.brokers.failures import refusal_of

Words = tuple[str | bytes | int | float, ...]
Talk = Generator[Sequence[Words], list[object], None]
Ask = Callable[[Sequence[Words]], list[object]]

LARGEST_BATCH = 500
FIRST_BATCH = 32
BATCH_BYTES = 2_000_000


class Refused(Exception):
    """A command that one talk cannot do without was refused; the text says which, and how."""


def converse(ask: Ask, talks: Iterable[Talk]) -> None:
    """Hold talks until all have come to an end. Raises what `ask` raises; the talks are closed then."""
    held = [(talk, question) for talk in talks if (question := next(talk, None)) is not None]
    try:
        while held:
            answers = ask([words for _, question in held for words in question])
            going: list[tuple[Talk, Sequence[Words]]] = []
            place = 0
            for talk, question in held:
                part = answers[place : place + len(question)]
                place += len(question)
                further = _send(talk, part)
                if further is not None:
                    going.append((talk, further))
            held = going
    finally:
        for talk, _ in held:
            talk.close()


def _send(talk: Talk, answers: list[object]) -> Sequence[Words] | None:
    try:
        return talk.send(answers)
    except StopIteration:
        return None


class Batches:
    """How many messages to fetch at a time, of a size that is only known once some were seen.

    Redis serves nobody else while it answers a command, so one answer is not to exceed a few
    megabytes.
    """

    def __init__(self) -> None:
        self._messages = 0
        self._bytes = 0

    def saw(self, messages: Iterable[object]) -> None:
        """Take note of messages that came."""
        for message in messages:
            if isinstance(message, bytes):
                self._messages += 1
                self._bytes += len(message)

    @property
    def size(self) -> int:
        """Messages to fetch with the next command."""
        if not self._messages:
            return FIRST_BATCH
        return max(1, min(LARGEST_BATCH, BATCH_BYTES * self._messages // max(self._bytes, 1)))


def array(answer: object, command: str) -> list[object]:
    """Return an answer that ought to be an array. Raises `Refused` for any other."""
    if isinstance(answer, list):
        return answer
    if isinstance(answer, redis.ResponseError):
        raise Refused(refusal_of(answer, command))
    raise Refused(f"does not answer {command} as Redis does")
