"""The one way in which a source fails to answer."""

from __future__ import annotations


class SourceFailed(Exception):
    """A source did not give what it was asked for; the text says why, without URLs and credentials.

    `reached` says that the server itself answered, so that the fault lies with the question or its
    rights: others may go on asking it.
    """

    def __init__(self, detail: str, *, reached: bool) -> None:
        super().__init__(detail)
        self.reached = reached
