"""What can be asked of a service, as data: the same description serves the synchronous and the asynchronous client."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

from .types import DeadLetter, OwnKey, Page

ServiceName = Literal["ingest", "handoff", "metrics", "outreach"]
SERVICES: tuple[ServiceName, ...] = ("ingest", "handoff", "metrics", "outreach")
"""As in shared.settings, which the client does not know: it is a package of its own. A test compares them."""

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Upload:
    """A body of any size. `chunks` gives it from its beginning, once more for each repetition."""

    media_type: str
    chunks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Operation(Generic[T_co]):
    """One request: to which service, what, and the type of its answer (bytes: as it is). `body` is encoded as JSON,
    unless it is an Upload.

    `key`: the Idempotency-Key of a POST; without one the client makes one for this request and its repetitions.
    """

    service: ServiceName
    method: str
    path: str
    answer: type[T_co]
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None

    def keyed(self, key: str) -> "Operation[T_co]":
        """The same with an Idempotency-Key of the caller's: repeated later, it gives the stored answer."""
        return replace(self, key=key)

    def at(self, cursor: str) -> "Operation[T_co]":
        """The same list from the cursor on."""
        return replace(self, query={**self.query, "cursor": cursor})


def own_key(service: ServiceName) -> Operation[OwnKey]:
    """What the client's own key may do."""
    return Operation(service, "GET", "/v1/key", OwnKey)


def dead_letters(service: ServiceName, limit: int | None = None) -> Operation[Page[DeadLetter]]:
    """What the service could not take from the log, newest first. Needs the scope `admin`, as the retry does."""
    return Operation(service, "GET", "/v1/dead-letters", Page[DeadLetter], query=given(limit=limit))


def retry_dead_letter(service: ServiceName, id_: str) -> Operation[dict[str, Any]]:
    """Take one of the service's dead letters once more, after what hindered it was mended.

    Conflict with the slug `still-dead` (it is not understood, or refused), Invalid with `dead-letter-still-fails` (the
    service fails on it); NotFound when it is taken already.
    """
    return Operation(service, "POST", f"/v1/dead-letters/{part(id_)}/retry", dict[str, Any])


def part(value: str) -> str:
    """A value as one part of a path: dots alone would be taken for a way to another one."""
    return value.replace(".", "%2E") if value in (".", "..") else quote(value, safe="")


def given(**query: str | int | None) -> dict[str, str]:
    """The parameters that are not None; `from_` stands for `from`."""
    return {name.rstrip("_"): str(value) for name, value in query.items() if value is not None}
