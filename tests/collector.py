"""A collector of traces for tests: takes what is sent by OTLP over HTTP, and tells what the spans say."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as ProtoSpan

from tests.website import Website, answer


class Seen(NamedTuple):
    """A span that came. `parent`: "" for the first of a trace. `links`: the spans that it links to. `failed`: its
    status is an error."""

    service: str
    name: str
    kind: str
    trace: str
    span: str
    parent: str
    links: list[str]
    attributes: dict[str, str | int]
    failed: bool


class Collector:
    """`with collecting() as collector:` - `collector.url`, for OTEL_EXPORTER_OTLP_ENDPOINT, and what came in."""

    def __init__(self, site: Website) -> None:
        self._site = site
        self.url = site.url

    @property
    def raw(self) -> bytes:
        """All that came, as it came."""
        return b"".join(self._site.bodies)

    def spans(self, trace: str | None = None) -> list[Seen]:
        """The spans that came, in their order; only those of a trace, when one is named."""
        return [seen for body in list(self._site.bodies) for seen in _decoded(body) if trace in (None, seen.trace)]

    def one(self, service: str, name: str) -> Seen:
        """The one span of a service with this name."""
        (found,) = [span for span in self.spans() if (span.service, span.name) == (service, name)]
        return found


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    with Website({"/v1/traces": answer(content_type="application/x-protobuf")}) as site:
        yield Collector(site)


def _decoded(body: bytes) -> Iterator[Seen]:
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = {a.key: a.value.string_value for a in of_resource.resource.attributes}
        for span in (span for scope in of_resource.scope_spans for span in scope.spans):
            yield _seen(resource["service.name"], span)


def _seen(service: str, span: ProtoSpan) -> Seen:
    kind = ProtoSpan.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower()
    attributes = {
        a.key: a.value.int_value if a.value.HasField("int_value") else a.value.string_value for a in span.attributes
    }
    failed = span.status.code == span.status.STATUS_CODE_ERROR
    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
    return Seen(service, span.name, kind, *ids, [link.span_id.hex() for link in span.links], attributes, failed)
