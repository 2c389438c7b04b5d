"""What went wrong with a broker, in a sentence of ours.

The libraries' own texts are not passed on: some quote the URL, and they differ between versions.
What happened is told from the type of the error and of the error beneath it.
"""

from __future__ import annotations

import os
import socket
import ssl
from dataclasses import dataclass

from redis import exceptions

from autoscaler.brokers.sentinel import NoMaster

REJECTIONS = (exceptions.AuthenticationError, exceptions.AuthorizationError)
OF_THE_URL = (ssl.SSLError, FileNotFoundError, PermissionError)
OF_THE_SYSTEM: tuple[tuple[tuple[type[OSError], ...], str], ...] = (
    ((ConnectionRefusedError,), "refused the connection"),
    ((ConnectionResetError, ConnectionAbortedError, BrokenPipeError), "closed the connection"),
    ((FileNotFoundError, PermissionError), "has a socket or certificate file that cannot be opened"),
    ((ssl.SSLError,), "does not agree to TLS as the URL asks for it"),
)
OF_REDIS: tuple[tuple[type[exceptions.RedisError], str], ...] = (
    (exceptions.BusyLoadingError, "is loading its data"),
    (exceptions.ConnectionError, "closed the connection"),
)
NO_SENTINEL = "has no Sentinel that answers"
NO_SUCH_MASTER = "has no master that its Sentinels know of"
CLUSTER_ANSWERS = (exceptions.AskError, exceptions.ClusterDownError, exceptions.ClusterCrossSlotError)
OF_CLUSTER = "is a node of a Redis Cluster, which Celery does not support"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing could be read; `detail` continues a sentence that begins with the broker's name.

    `of_server` tells a server that does not answer anybody from one that answered, or was not
    reached for: those who come with other credentials may fare better.
    """

    detail: str
    rejected_credentials: bool = False
    of_server: bool = True


def failure_of(error: BaseException, timeout_seconds: float, asked_for: str) -> Failure:
    """Return what an error of redis-py, of kombu or of the system beneath them means.

    `asked_for` names what the user of the credentials may lack the right to.
    """
    known, beneath = _redis_error_in(error), _system_error_in(error)
    if isinstance(known, REJECTIONS):
        return Failure("rejected the credentials", rejected_credentials=True, of_server=False)
    if isinstance(known, NoMaster):
        return Failure(NO_SUCH_MASTER if known.known else NO_SENTINEL)
    if isinstance(known, exceptions.TimeoutError) or isinstance(beneath, TimeoutError):
        return Failure(f"did not answer within {timeout_seconds:g} s")
    if isinstance(known, exceptions.ResponseError):
        return Failure(refusal_of(known, asked_for), of_server=False)
    if beneath is not None:
        return Failure(_of_system(beneath), of_server=not isinstance(beneath, OF_THE_URL))
    sentences = (sentence for kind, sentence in OF_REDIS if isinstance(known, kind))
    return Failure(next(sentences, "does not answer as Redis does"))


def refusal_of(error: exceptions.ResponseError, asked_for: str) -> str:
    """Return what the server's answer to one command means."""
    if isinstance(error, exceptions.NoPermissionError):
        return f"does not allow {asked_for} (NOPERM)"
    if isinstance(error, exceptions.MasterDownError):
        return "is a replica that has lost its master (MASTERDOWN)"
    if is_of_cluster(error):
        return OF_CLUSTER
    return f"answered {asked_for} with an error ({code_of(error)})"


def is_of_cluster(answer: object) -> bool:
    """Return whether an answer is one that only a node of a Redis Cluster gives."""
    return isinstance(answer, CLUSTER_ANSWERS) and not isinstance(answer, exceptions.MasterDownError)


def code_of(error: exceptions.ResponseError) -> str:
    """Return the code with which Redis begins an error, its part for machines (ERR, WRONGTYPE, …).

    redis-py takes the codes that it knows out of the text, and leaves the others there.
    """
    if error.status_code:
        return error.status_code
    word = str(error).partition(" ")[0]
    return word if word.isascii() and word.isalpha() and word.isupper() else "ERR"


def _of_system(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        unknown = error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}
        return "no such host" if unknown else "its name could not be looked up"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"shows a certificate that is not trusted ({error.verify_message.rstrip('.')})"
    sentences = (sentence for kinds, sentence in OF_THE_SYSTEM if isinstance(error, kinds))
    return next(sentences, f"cannot be reached ({os.strerror(error.errno or 0)})")


def _redis_error_in(error: BaseException) -> exceptions.RedisError | None:
    """Return redis-py's error: kombu raises one of its own from it."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, exceptions.RedisError):
        link = link.__cause__
    return link


def _system_error_in(error: BaseException) -> OSError | None:
    """Return the system's error, in whose handling redis-py raised its own."""
    link: BaseException | None = error
    while link is not None and not isinstance(link, OSError):
        link = link.__cause__ or link.__context__
    return link
