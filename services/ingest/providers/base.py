"""What a provider is given and what it makes of it."""

import hmac
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    import httpx  # what a provider reads stays known to pure modules

T = TypeVar("T")

TOLERANCE_S = 300
"""How far the time of a signature may lie from ours, where the provider signs one."""
UNKNOWN_REP = "unknown"
"""Who is said to have called where the tool does not tell."""


class Unusable(Exception):
    """A body that nothing can be made of; the text says why."""


class Verdict(Enum):
    """What a signature says of a delivery. STALE: the right secret, but too long ago (a replay, or a wrong clock)."""

    GENUINE = "genuine"
    WRONG = "unauthorized"
    STALE = "stale"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook as it came. Header names are in lower case. `url`: under which the sender knows us, with its query.

    `at`: when it came. One that is tried again out of the quarantine has only the headers that its provider `keeps`.
    """

    body: bytes
    content_type: str
    headers: Mapping[str, str] = {}
    url: str = ""
    query: Mapping[str, str] = {}
    at: datetime


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A submission as its sender named it. `id`: what the sender calls it, the same at every repetition; None: only its
    content tells. `raw`: the part of the body that it was read from, which `read` takes alone, too.

    `also`: further names of a value that its sender has (a question's id beside its label), the surest first; the last
    may be what its type says, such as `email`. sources.yaml may use any of them.
    """

    values: Mapping[str, Any]
    raw: Any
    id: str | None = None
    external_id: str | None = None
    observed_at: datetime | None = None
    also: Mapping[str, Sequence[str]] = {}


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An activity, as /v1/activities takes it, but for the source. `id` is in it, `rep` is the sender's own name.

    `compared`: the names in it that tell a repetition from a contradiction, where the sender may tell of one thing
    several times in other words; the first counts. None: all of it.
    """

    activity: Mapping[str, Any]
    raw: Any
    compared: Sequence[str] | None = None


class Thin(msgspec.Struct, frozen=True, kw_only=True):
    """A notice that holds only where the submission is; the provider's `fetch` gets it by `reference` (plain JSON)."""

    id: str
    reference: Mapping[str, Any]
    raw: Any


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """Something understood that has no effect; `reason` says why."""

    reason: str
    raw: Any = None


class Aside(msgspec.Struct, frozen=True, kw_only=True):
    """Something for the quarantine although its sender did all right, such as a test of theirs: it is answered 202."""

    reason: str
    raw: Any


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a batch that nothing can be made of; the others are taken."""

    reason: str
    raw: Any


Entry = Form | Happened | Thin | Nothing | Aside | Broken


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What a delivery holds; `is_batch` when its sender made it a list, and wants a result for each.

    `once`: a token of which the sender makes a new one for each delivery; the same one with other content is a replay.
    """

    entries: Sequence[Entry]
    is_batch: bool = False
    once: str | None = None


class Reply(NamedTuple):
    """What a provider wants to hear before it delivers anything."""

    body: Any
    media_type: str = "application/json"
    headers: Mapping[str, str] = {}


class Access(NamedTuple):
    """How to get what a thin notice is about: the operator's token, and another address than the provider's own.

    `names`: what sources.yaml maps, for where values must be asked for by name.
    """

    token: str
    api_url: str | None = None
    names: Collection[str] = ()


class Provider(ABC):
    """One kind of sender: checks the raw bytes first (`verify`) and reads them then; knows nothing of leads or SQL."""

    media_types: frozenset[str]
    names: ClassVar[Mapping[str, str]] = {}
    """Names of theirs that mean a field of ours in every account; sources.yaml says more, and wins."""
    keeps: frozenset[str] = frozenset()
    """Headers that `read` needs; they stay with the body in the quarantine. Never one with a secret."""

    @abstractmethod
    def verify(self, delivery: Delivery, secrets: Sequence[str]) -> Verdict:
        """Whether the sender knows one of the secrets; with none configured everybody is let in. Never raises."""

    def challenge(self, delivery: Delivery, secrets: Sequence[str]) -> Reply | None:
        """The answer to a POST that only asks whether we are there. Asked after `verify`."""
        return None

    def answer_get(self, query: Mapping[str, str], secrets: Sequence[str], verify_token: str | None) -> Reply | None:
        """The answer to a GET that asks whether we are there; None: a wrong one, or none is foreseen."""
        return None

    @abstractmethod
    async def read(self, delivery: Delivery) -> Payload:
        """Raises Unusable."""

    async def fetch(self, client: "httpx.AsyncClient", reference: Mapping[str, Any], access: Access) -> Form | Nothing:
        """The submission behind a Thin. Raises httpx.HTTPError (it may work later) and Unusable (it never will)."""
        raise Unusable("this provider sends whole submissions")


def needed(value: T | None, name: str) -> T:
    """The value. Raises Unusable, which names the part of the body but never tells what stood there."""
    if value is None:
        raise Unusable(f"`{name}` is missing, or of another kind than this provider documents")
    return value


def is_same(a: str, b: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass"))


def is_recent(signed_s: float, delivery: Delivery) -> bool:
    """Whether a time in seconds since 1970 that was signed is near enough to when the delivery came."""
    return abs(delivery.at.timestamp() - signed_s) <= TOLERANCE_S


def verify_told_secret(delivery: Delivery, secrets: Sequence[str]) -> Verdict:
    """For senders that cannot sign but can tell a secret: in a header `X-Tasuki-Secret` or `Authorization: Bearer`, or
    as `?secret=` in the address."""
    if not secrets:
        return Verdict.GENUINE
    kind, _, token = delivery.headers.get("authorization", "").partition(" ")
    told = [
        delivery.headers.get("x-tasuki-secret", ""),
        token.strip() if kind.lower() == "bearer" else "",
        delivery.query.get("secret", ""),
    ]
    matches = [is_same(a, b) for a in told if a for b in secrets]
    return Verdict.GENUINE if any(matches) else Verdict.WRONG
