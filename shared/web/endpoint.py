"""What a service declares and what its handlers see: endpoints, calls, answers."""

import re
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic

import msgspec
from starlette.requests import Request
from typing_extensions import TypeVar

from shared.web.problems import MEDIA_TYPE, Problem

Body = TypeVar("Body", default=Any)
Query = TypeVar("Query", default=Any)

JSON = "application/json"
EVENTS = "text/event-stream"
_ENCODER = msgspec.json.Encoder(decimal_format="string", order=None)
_OTHER_OFFSET = re.compile(rb'T\d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d:\d\d"')


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the name of the API key and what it may do."""

    name: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the key holds the scope; `admin` holds all."""
        return scope in self.scopes or "admin" in self.scopes


ANONYMOUS = Caller("", frozenset())
ANY_KEY = ""
"""As an endpoint's scope: whoever has a key that is good, whatever it may do."""


@dataclass(slots=True)
class Call(Generic[Body, Query]):
    """One request, checked: what the endpoint declared has the declared type.

    `raw` is the body as it came ("" for GET and for streams), `stream` its chunks where the endpoint streams;
    `operation` is that of its endpoint.
    With an `idempotency_key` a handler may run again after a crash: it derives its ids from (caller.name, key).
    """

    request: Request
    path: dict[str, str]
    body: Body
    query: Query
    raw: bytes
    caller: Caller
    operation: str = ""
    idempotency_key: str | None = None
    stream: AsyncIterable[bytes] | None = None


@dataclass(slots=True)
class Answer:
    """What is answered: bytes go as they are, an async iterator of bytes is streamed, text of another media type
    than JSON is encoded, all else becomes JSON."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON


Handler = Callable[[Call[Any, Any]], Awaitable[Answer]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One row of a service's table of endpoints.

    `path` as in `/v1/leads/{id}`. `scope` None: open to all; ANY_KEY: to all that have a key. `body`: type of the JSON
    body, None when there is none. `query`: a msgspec struct, one field a parameter. `answers`: type of the body of each
    success (and of problems of the endpoint's own); the common problems are added to the documentation by themselves.
    `raw_body`: the handler gets the bytes, whatever their media type; `stream`: it gets them while they arrive, without
    a limit of size. `media_types`: what `Content-Type` may be. `idempotent`: `Idempotency-Key` is honoured (POST).
    `other_answer_media_types`: as what text a success may be answered instead, where the query asks for it.
    `example`: a body as it may be sent, for the documentation; the body's own `EXAMPLE` unless given.
    `notes_itself`: the audit log has its accesses from the handler's own transaction.
    `proof`: raises Problem where the request does not prove who sends it, for paths that are open to all; it is asked
    before an Idempotency-Key, which would else give the answers of others, or keep a refusal for them.
    """

    method: str
    path: str
    handler: Handler
    scope: str | None
    summary: str
    answers: Mapping[int, Any] = field(default_factory=dict)
    body: Any = None
    query: type[msgspec.Struct] | None = None
    raw_body: bool = False
    stream: bool = False
    media_types: tuple[str, ...] = (JSON,)
    idempotent: bool = True
    answer_media_type: str = JSON
    other_answer_media_types: tuple[str, ...] = ()
    notes_itself: bool = False
    proof: "Callable[[Call[Any, Any]], None] | None" = None
    example: Any = None

    @property
    def operation(self) -> str:
        """What it is called in records: `GET /v1/leads/{id}`."""
        return f"{self.method} {self.path}"

    @property
    def audited(self) -> bool:
        """Whether the audit log holds who was answered here: all but the figures, which name nobody, and what is open
        to all."""
        return self.scope not in (None, ANY_KEY, "kpis:read")

    @property
    def keyed(self) -> bool:
        """Whether an Idempotency-Key has a meaning here."""
        return self.method == "POST" and self.idempotent


def encode(body: Any) -> bytes:
    """A body as JSON, every time in UTC."""
    encoded = _ENCODER.encode(body)
    if _OTHER_OFFSET.search(encoded):
        return _ENCODER.encode(_in_utc(msgspec.to_builtins(body, builtin_types=(datetime,))))
    return encoded


def _in_utc(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value
    if isinstance(value, dict):
        return {key: _in_utc(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_in_utc(item) for item in value]
    return value


def problem_answer(problem: Problem) -> Answer:
    """A problem as an answer."""
    return Answer(problem.document(), problem.status, problem.headers, MEDIA_TYPE)
