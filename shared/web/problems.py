"""Errors as RFC 9457 problem documents: one exception, one encoding, and the problems common to all services."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from shared.mistakes import FieldError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
"""What clients are told to wait when the database or the log is away."""


class Problem(Exception):
    """An answer that is an error. `slug` names the problem for ever; `members` are the document's extension members."""

    def __init__(
        self,
        status: int,
        slug: str,
        title: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(f"{status} {slug}")
        self.status = status
        self.slug = slug
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.members = members

    @property
    def type(self) -> str:
        """The stable URI of the kind of problem."""
        return f"urn:tasuki:problem:{self.slug}"

    def document(self) -> dict[str, Any]:
        """The problem document; `errors` is left out where there are none."""
        document: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail:
            document["detail"] = self.detail
        if self.errors:
            document["errors"] = self.errors
        return document | self.members


def not_json(detail: str) -> Problem:
    return Problem(400, "not-json", "The body is not JSON", detail)


def unauthorized(detail: str) -> Problem:
    return Problem(401, "unauthorized", "An API key is needed", detail, headers={"WWW-Authenticate": "Bearer"})


def not_genuine(detail: str) -> Problem:
    """A delivery whose sender has not shown that it knows the secret."""
    title = "The delivery is not known to be genuine"
    return Problem(401, "unauthorized", title, detail, headers={"WWW-Authenticate": "Signature"})


def missing_scope(scope: str) -> Problem:
    detail = f"The key lacks the scope {scope}."
    return Problem(403, "missing-scope", "The API key may not do this", detail, scope=scope)


def not_found(detail: str = "There is nothing at this address.") -> Problem:
    return Problem(404, "not-found", "Not found", detail)


def method_not_allowed(method: str, allowed: Sequence[str]) -> Problem:
    detail = f"{method} is not possible here; possible: {', '.join(allowed)}."
    return Problem(405, "method-not-allowed", "Method not allowed", detail, headers={"Allow": ", ".join(allowed)})


def too_large(limit: int) -> Problem:
    detail = f"The body may have {limit} bytes at most; send it in parts."
    return Problem(413, "too-large", "The body is too large", detail)


def unsupported_media_type(detail: str) -> Problem:
    return Problem(415, "unsupported-media-type", "The body's media type is not understood", detail)


def invalid(errors: Sequence[FieldError]) -> Problem:
    detail = "; ".join(f"{e.pointer or 'body'}: {e.detail}" for e in errors[:3])
    return Problem(422, "invalid", "The request does not have the required form", detail, errors=errors)


def too_slow(seconds: float) -> Problem:
    detail = f"The body did not arrive within {seconds:.0f} s."
    return Problem(408, "request-timeout", "The request came too slowly", detail, headers={"Connection": "close"})


def too_many_requests(wait_s: float) -> Problem:
    seconds = max(1, math.ceil(wait_s))
    detail = f"More requests came than are allowed in this time; go on in {seconds} s."
    return Problem(429, "too-many-requests", "Too many requests", detail, headers={"Retry-After": str(seconds)})


def overloaded() -> Problem:
    detail = "More requests are being worked on than can be; send the request again later."
    return Problem(503, "overloaded", "Too many requests at once", detail, headers={"Retry-After": "1"})


def stopping() -> Problem:
    detail = "The service stops and could not finish the request; send it again to learn what became of it."
    return Problem(503, "stopping", "The service is stopping", detail, headers={"Retry-After": "2"})


def unavailable(what: str) -> Problem:
    detail = f"The {what} cannot be reached now. Nothing was lost; send the request again later."
    headers = {"Retry-After": str(RETRY_AFTER_S)}
    return Problem(503, "unavailable", "Temporarily unavailable", detail, headers=headers)


def internal() -> Problem:
    return Problem(500, "internal", "Internal error", "This is a mistake of the server; its log says more.")
