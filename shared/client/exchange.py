"""One operation from request to answer, with its repetitions, as a generator that does no input or output itself.

It yields `Send` and is sent a `Reply` or a `Lost`; it yields `Wait` and is sent `None`. So both clients are a loop,
and every rule stands here once: what is repeated, how long to wait, which error is raised.
"""

import random
import re
import secrets
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar, cast

import msgspec

from .errors import TasukiError, UnexpectedAnswer, Unreachable, problem_error
from .operation import Operation, Upload

T = TypeVar("T")

_REPEATED = frozenset({429, 502, 503, 504})
_BEARER = re.compile(r"[!-~]+")
_KEY = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What reading JSON raises: it is none, or not of the form; no UTF-8; nested without end."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How stubborn to be: tries at most, first and longest pause in seconds, seconds of pauses in all."""

    tries: int = 8
    first_s: float = 0.1
    longest_s: float = 5.0
    total_s: float = 60.0

    def pause(self, tried: int, retry_after_s: float | None, waited_s: float) -> float | None:
        """Seconds to wait after try number `tried`; None: give up. Jitter keeps clients from coming back at once."""
        if tried >= self.tries:
            return None
        longest = min(self.longest_s, self.first_s * 2 ** (tried - 1))
        pause = random.uniform(longest / 2, longest) + (retry_after_s or 0.0)  # noqa: S311 - no secret
        return pause if waited_s + pause <= self.total_s else None


@dataclass(frozen=True, slots=True)
class Send:
    """Send this to the service, path and query relative to its base address."""

    operation: Operation[Any]
    headers: Mapping[str, str]
    content: bytes | Upload | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came."""

    reason: str


def exchange(
    operation: Operation[T], key: str, retry: Retry, traceparent: str | None = None
) -> Generator[Send | Wait, Reply | Lost | None, T]:
    """Returns the typed answer. Raises a TasukiError."""
    send = first_send(operation, key, traceparent)
    tried, waited = 0, 0.0
    while True:
        outcome = yield send
        if outcome is None:
            raise TypeError("a Send must be followed by a Reply or a Lost")
        tried += 1
        if isinstance(outcome, Reply) and outcome.status < 400:
            return _answer(outcome, operation)
        error = error_of(outcome, operation)
        retry_after = _retry_after(outcome)
        pause = retry.pause(tried, retry_after, waited) if _is_passing(outcome, error) else None
        if pause is None:
            raise error
        waited += pause
        yield Wait(pause)


def first_send(operation: Operation[Any], key: str, traceparent: str | None) -> Send:
    """The operation as a request. Raises TasukiError where it cannot be one."""
    if not _BEARER.fullmatch(key):  # it is not shown: an error's text goes into logs
        raise TasukiError("the API key cannot be sent: it is empty, or holds spaces, line ends or letters beyond ASCII")
    if operation.key is not None and not _KEY.fullmatch(operation.key):
        raise TasukiError("an Idempotency-Key has 1 to 255 printable letters of ASCII and no space at its ends")
    trace = {"traceparent": traceparent} if traceparent else {}
    return Send(operation, _headers(operation, key) | trace, _content(operation.body))


def _content(body: Any) -> bytes | Upload | None:
    return body if body is None or isinstance(body, Upload) else msgspec.json.encode(body)


def _headers(operation: Operation[Any], key: str) -> dict[str, str]:
    headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
    if operation.body is not None:
        is_upload = isinstance(operation.body, Upload)
        headers["content-type"] = operation.body.media_type if is_upload else "application/json"
    if operation.method == "POST":
        # One key for all tries of one operation: a repetition gets the first answer and has no second effect.
        headers["idempotency-key"] = operation.key or secrets.token_urlsafe(24)
    return headers


def _answer(reply: Reply, operation: Operation[T]) -> T:
    if reply.status >= 300:
        raise error_of(reply, operation)
    if operation.answer is bytes:
        return cast(T, reply.content)
    try:
        return msgspec.json.decode(reply.content or b"null", type=operation.answer)
    except _UNREADABLE as error:
        raise UnexpectedAnswer(f"status {reply.status}: {error}") from error


def error_of(outcome: Reply | Lost, operation: Operation[Any]) -> TasukiError:
    """What is raised when this came of the operation."""
    where = f"{operation.method} {operation.service}:{operation.path}"
    if isinstance(outcome, Lost):
        return Unreachable(f"{where}: {outcome.reason}")
    if outcome.status < 400:  # no service of ours sends anybody elsewhere, and what comes with it is no answer
        return UnexpectedAnswer(f"{where}: status {outcome.status}, as of a proxy that leads elsewhere")
    try:
        document = msgspec.json.decode(outcome.content, type=dict[str, Any])
    except _UNREADABLE:
        document = {"title": f"{where}: status {outcome.status} without a problem document"}
    return problem_error(outcome.status, document)


def _is_passing(outcome: Reply | Lost, error: TasukiError) -> bool:
    if isinstance(outcome, Lost) or outcome.status in _REPEATED:
        return True
    return getattr(error, "slug", "") == "idempotency-in-flight"


def _retry_after(outcome: Reply | Lost) -> float | None:
    """Seconds of the header `Retry-After`, which may also be a date."""
    text = "" if isinstance(outcome, Lost) else outcome.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
