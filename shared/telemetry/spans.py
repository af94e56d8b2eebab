"""Traces by OpenTelemetry: what a process does for a request or for events, sent to a collector by OTLP over HTTP.

The only module that needs the extra `otel`: it is imported where TASUKI_TRACES asks for it. Parents are traceparents,
as they travel in requests and events. The sampler decides at the door whether a trace is recorded
(OTEL_TRACES_SAMPLER); what follows goes by the flag of that decision, so an event costs nothing unless it is sampled.

Names and attributes are those of the semantic conventions, without what may be personal: the route instead of the path
and the query, the type of an error instead of its message.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from threading import Thread
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from shared.telemetry.trace import current_traceparent, read_traceparent

FLUSH_S = 1.0
"""Seconds that sending the last spans may take; everything else has ended by then."""

_PROTOCOL = "http/protobuf"

Told = tuple[str, str | None]
"""The topic of an event and its traceparent."""


class Spans:
    """Begins and ends the spans of one process. `log`: the messaging system, as the conventions name it."""

    def __init__(self, provider: TracerProvider, log: str) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tasuki", version("tasuki"))
        self._log = log

    @classmethod
    def exporting(cls, service: str, instance: str, log: str) -> Self:
        """Spans that are sent where the environment says. Raises ValueError for a protocol that we do not speak."""
        asked = [os.environ.get(f"OTEL_EXPORTER_OTLP_{of}PROTOCOL") for of in ("TRACES_", "")]
        protocol = next(filter(None, asked), _PROTOCOL)
        if protocol != _PROTOCOL:
            raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL: traces are sent by {_PROTOCOL}, not by {protocol}")
        name = {"service.name": f"tasuki-{service}", "service.version": version("tasuki")}
        resource = Resource.create({**name, "service.instance.id": instance})
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider, log)

    def request(self, incoming: str | None, method: str | None, scheme: str) -> "RequestSpan":
        """The span of a request that came with this traceparent. method: None for one that HTTP does not know."""
        name = method or "HTTP"
        about = {"http.request.method": method or "_OTHER", "url.scheme": scheme}
        return RequestSpan(self._start(name, incoming, SpanKind.SERVER, about), name)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """A part of the request at hand."""
        parent = current_traceparent()
        with _ending([self._start(name, parent, SpanKind.INTERNAL)] if _is_sampled(parent) else []):
            yield

    @contextmanager
    def processing(self, group: str, events: Iterable[Told]) -> Iterator[Mapping[Told, str]]:
        """Spans of a batch that a consumer takes: one for all events of a topic that one span has made.

        Gives the traceparents with which the sampled ones go on. They end with the block, that is with the commit.
        """
        about = {"messaging.consumer.group.name": group}
        begun = {told: self._message("process", *told, n, about) for told, n in _sampled(events).items()}
        with _ending(begun.values()):
            yield {told: _traceparent(span) for told, span in begun.items()}

    def sent(self, events: Iterable[Told], begun_ns: int) -> None:
        """Tells that events went to the log between a moment (ns since 1970) and now."""
        for told, count in _sampled(events).items():
            self._message("send", *told, count, {}, begun_ns).end()

    def close(self) -> None:
        """Send what has not been sent yet, for FLUSH_S at most."""
        flushing = Thread(target=self._provider.shutdown, daemon=True)  # a collector that hangs must not hold us up
        flushing.start()
        flushing.join(FLUSH_S)

    def _message(
        self, what: str, topic: str, parent: str | None, count: int, about: dict[str, str], begun_ns: int | None = None
    ) -> Span:
        attributes: dict[str, AttributeValue] = {
            "messaging.system": self._log,
            "messaging.destination.name": topic,
            "messaging.operation.name": what,
            "messaging.operation.type": what,
            "messaging.batch.message_count": count,
            **about,
        }
        # Who consumes goes on from the span that made the event, not from the one that sent it.
        kind = SpanKind.CONSUMER if what == "process" else SpanKind.CLIENT
        context = _context(parent)
        made_by = [Link(get_current_span(context).get_span_context())]
        return self._tracer.start_span(f"{what} {topic}", context, kind, attributes, made_by, begun_ns)

    def _start(
        self, name: str, parent: str | None, kind: SpanKind, attributes: Mapping[str, AttributeValue] | None = None
    ) -> Span:
        return self._tracer.start_span(name, _context(parent), kind, attributes)


class RequestSpan:
    """The span of one request. `traceparent` names it."""

    def __init__(self, span: Span, name: str) -> None:
        self._span = span
        self._name = name
        self.traceparent = _traceparent(span)

    def end(self, route: str | None, status: int | None) -> None:
        """Answered with a status, or not at all (None): the client has gone. route: its template, if one was found."""
        if route is not None:
            self._span.update_name(f"{self._name} {route}")
            self._span.set_attribute("http.route", route)
        if status is None:
            _fail(self._span, "client_gone")
        else:
            self._span.set_attribute("http.response.status_code", status)
            if status >= 500:
                _fail(self._span, str(status))
        self._span.end()


def _sampled(events: Iterable[Told]) -> dict[Told, int]:
    """How many there are of each, of those that are sampled."""
    return {told: count for told, count in Counter(events).items() if _is_sampled(told[1])}


def _is_sampled(traceparent: str | None) -> bool:
    place = read_traceparent(traceparent)
    return place is not None and place.sampled


def _context(parent: str | None) -> Context:
    place = read_traceparent(parent)
    if place is None:
        return Context()
    flags = TraceFlags(place.flags)
    span = SpanContext(int(place.trace_id, 16), int(place.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(span), Context())


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


@contextmanager
def _ending(spans: Iterable[Span]) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        for span in spans:
            _fail(span, f"{type(error).__module__}.{type(error).__qualname__}")
        raise
    finally:
        for span in spans:
            span.end()


def _fail(span: Span, error_type: str) -> None:
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)
