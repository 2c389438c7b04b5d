"""What an API server refuses, in the words that clients of Kubernetes know.

Each refusal is an `ApiError`; the server turns it into a Status object. One constructor for each
reason, with the sentences that a real API server uses (recorded from 1.36).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.sandbox.objects.kinds import Kind
from autoscaler.sandbox.objects.values import JSON


class ApiError(Exception):
    """A refused request: HTTP `status`, one-word `reason`, sentence and machine-readable `details`."""

    def __init__(self, status: int, reason: str, message: str, details: JSON | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> JSON:
        """Return the Status object that a client gets."""
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        about: JSON = {"message": self.message, "reason": self.reason}
        if self.details is not None:
            about["details"] = self.details
        return status | about | {"code": self.status}


@dataclass(frozen=True, slots=True)
class Cause:
    """One field that is wrong, and why."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"

    def details(self) -> JSON:
        """Return the cause as it stands in a Status."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def invalid_value(field: str, shown: str, rule: str) -> Cause:
    """Return the cause for a value that breaks a rule; `shown` is the value as Go prints it."""
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown}: {rule}")


def required(field: str, rule: str = "") -> Cause:
    """Return the cause for a value that is missing."""
    return Cause("FieldValueRequired", field, f"Required value: {rule}" if rule else "Required value")


def not_supported(field: str, shown: str, supported: Sequence[str]) -> Cause:
    """Return the cause for a value that is none of those there are."""
    listed = ", ".join(f'"{value}"' for value in supported)
    return Cause("FieldValueNotSupported", field, f"Unsupported value: {shown}: supported values: {listed}")


def duplicate_value(field: str, shown: str) -> Cause:
    """Return the cause for a value that is there twice."""
    return Cause("FieldValueDuplicate", field, f"Duplicate value: {shown}")


def forbidden_value(field: str, rule: str) -> Cause:
    """Return the cause for a value that may not be there."""
    return Cause("FieldValueForbidden", field, f"Forbidden: {rule}")


def _named(kind: Kind, name: str) -> JSON:
    details = {"name": name} if name else {}
    return details | ({"group": kind.group} if kind.group else {}) | {"kind": kind.plural}


def not_found(kind: Kind, name: str) -> ApiError:
    """Return the error for an object that does not exist."""
    return ApiError(404, "NotFound", f'{kind.resource} "{name}" not found', _named(kind, name))


def already_exists(kind: Kind, name: str) -> ApiError:
    """Return the error for a name that is taken."""
    return ApiError(409, "AlreadyExists", f'{kind.resource} "{name}" already exists', _named(kind, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(kind: Kind, name: str, why: str = MODIFIED) -> ApiError:
    """Return the error for a write that was based on something that no longer holds."""
    message = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _named(kind, name))


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    """Return the error for a request that rights or an admission plug-in do not allow."""
    what = f'{kind.resource} "{name}"' if name else kind.resource
    return ApiError(403, "Forbidden", f"{what} is forbidden: {why}", _named(kind, name))


def forbidden_all(kind: Kind, name: str, complaints: Sequence[str]) -> ApiError:
    """Return the error for a request about which a plug-in has several complaints, each told once."""
    once = list(dict.fromkeys(complaints))
    return forbidden(kind, name, once[0] if len(once) == 1 else f"[{', '.join(once)}]")


def invalid(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """Return the error for an object whose fields break rules."""
    said = [str(cause) for cause in causes]
    listed = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    title = f"{kind}.{group}" if group else kind
    details: JSON = {"name": name} if name else {}
    details |= {"group": group} if group else {}
    details |= {"kind": kind} if kind else {}
    details["causes"] = [cause.details() for cause in causes]
    return ApiError(422, "Invalid", f'{title} "{name}" is invalid: {listed}', details)


def bad_request(message: str) -> ApiError:
    """Return the error for a request that makes no sense."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """Return the error for a caller whom the server does not know."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    """Return the error for a version that the server no longer remembers."""
    return ApiError(410, "Expired", message)


def unprocessable() -> ApiError:
    """Return the error for a JSON patch that cannot be carried out, a failed test included."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, {})


def method_not_allowed() -> ApiError:
    """Return the error for a verb that a resource does not have."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, {})


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """Return the error for a body in a format that the server does not read."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}"
    )
    return ApiError(415, "UnsupportedMediaType", message)
