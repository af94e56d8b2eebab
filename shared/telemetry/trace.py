"""W3C trace context: which trace the work at hand belongs to, taken from the caller or begun here."""

import random
import re
from contextvars import ContextVar
from typing import NamedTuple

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_SAMPLED = 1

_random = random.Random()  # noqa: S311 (a trace is no secret, and asking the kernel costs a fortieth of a request)

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class Place(NamedTuple):
    """A span in its trace, as a traceparent names them: 32 and 16 hex digits, and flags."""

    trace_id: str
    span_id: str
    flags: int

    @property
    def traceparent(self) -> str:
        """The traceparent that says this and no more."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    @property
    def sampled(self) -> bool:
        """Whether whoever began the trace records it."""
        return bool(self.flags & _SAMPLED)


def read_traceparent(traceparent: str | None) -> Place | None:
    """What a traceparent says; None for one that we do not understand."""
    found = _match(traceparent)
    return Place(found[1], found[2], int(found[3], 16)) if found else None


def _match(traceparent: str | None) -> re.Match[str] | None:
    return _FORM.fullmatch(traceparent) if traceparent and len(traceparent) <= 200 else None


def continue_trace(incoming: str | None) -> str:
    """A span in the caller's trace, or in a new one when the caller named none that we understand. Nobody records the
    span, so a new trace is not sampled."""
    found = _match(incoming)
    trace_id, flags = (found[1], found[3]) if found else (f"{_random.getrandbits(128):032x}", "00")
    return f"00-{trace_id}-{_random.getrandbits(64):016x}-{flags}"


def enter(traceparent: str, request_id: str | None = None) -> None:
    """From now on the running task (and those that it starts) belongs to this trace."""
    _traceparent.set(traceparent)
    _request_id.set(request_id)


def current_traceparent() -> str | None:
    """The traceparent to write into events and outgoing requests; None outside of any request."""
    return _traceparent.get()


def current_trace_id() -> str | None:
    """The 32 hex digits of the trace at hand."""
    traceparent = _traceparent.get()
    return traceparent[3:35] if traceparent else None


def current_request_id() -> str | None:
    """The id of the request at hand, as answered in `X-Request-Id`."""
    return _request_id.get()
