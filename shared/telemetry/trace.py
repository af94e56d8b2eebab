"""W3C trace context: which trace the work at hand belongs to, taken from the caller or begun here."""

import random
import re
from contextvars import ContextVar

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?")

_random = random.Random()  # noqa: S311 (a trace is no secret, and asking the kernel costs a fortieth of a request)

_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def continue_trace(incoming: str | None) -> str:
    """Our own span in the caller's trace, or in a new trace when the caller named none that we understand."""
    found = _FORM.fullmatch(incoming) if incoming and len(incoming) <= 200 else None
    trace_id, flags = (found[1], found[2]) if found else (f"{_random.getrandbits(128):032x}", "01")
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
