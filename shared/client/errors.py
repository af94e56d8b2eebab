"""What can go wrong for a caller.

TasukiError
├── ProblemError            the service answered with a problem document
│   ├── BadRequest          400
│   ├── Unauthorized        401
│   ├── Forbidden           403
│   ├── NotFound            404
│   ├── Conflict            409
│   ├── Gone                410
│   ├── TooLarge            413
│   ├── UnsupportedMedia    415
│   ├── Invalid             422
│   ├── TooManyRequests     429
│   └── ServerError         5xx
│       └── Unavailable     503
├── Unreachable             no answer, whatever was tried
└── UnexpectedAnswer        an answer that is not of the promised form
"""

from collections.abc import Sequence
from typing import Any

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong in a request; `pointer` is a JSON pointer into the body or names a parameter."""

    pointer: str
    detail: str


class TasukiError(Exception):
    """Base of all."""


class ProblemError(TasukiError):
    """An RFC 9457 problem. `slug` names its kind, `document` holds all of it, extension members included."""

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        self.status = status
        self.document = document
        self.slug = str(document.get("type", "")).rpartition(":")[2]
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))
        super().__init__(f"{status} {self.slug}: {self.detail or self.title}")

    @property
    def errors(self) -> Sequence[FieldError]:
        """What is wrong, field by field; none where the answer, as that of a proxy, lists it in another form."""
        try:
            return msgspec.convert(self.document.get("errors", []), list[FieldError])
        except msgspec.ValidationError:
            return ()


class BadRequest(ProblemError):
    """400"""


class Unauthorized(ProblemError):
    """401"""


class Forbidden(ProblemError):
    """403"""


class NotFound(ProblemError):
    """404"""


class Conflict(ProblemError):
    """409"""


class Gone(ProblemError):
    """410"""


class TooLarge(ProblemError):
    """413"""


class UnsupportedMedia(ProblemError):
    """415"""


class Invalid(ProblemError):
    """422"""


class TooManyRequests(ProblemError):
    """429"""


class ServerError(ProblemError):
    """5xx"""


class Unavailable(ServerError):
    """503, also after all tries"""


class Unreachable(TasukiError):
    """No answer came. Nothing is known about whether the last try had an effect; repeating it is safe."""


class UnexpectedAnswer(TasukiError):
    """An answer that is not of the promised form: a proxy's, or of another version."""


_BY_STATUS: dict[int, type[ProblemError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: UnsupportedMedia,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
}


def problem_error(status: int, document: dict[str, Any]) -> ProblemError:
    """The error of a status."""
    return _BY_STATUS.get(status, ServerError if status >= 500 else ProblemError)(status, document)
