"""Tasuki as outsiders see it: HTTP alone, through the contract, without the project's own client."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from shared.settings import ServiceName
from tests.system import System, until

JSON = "application/json"
PROBLEM = "application/problem+json"
CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"


class Outside:
    """Calls a running system. `key`: True the admin's, None without any, else the key itself."""

    def __init__(self, system: System, client: httpx.Client) -> None:
        self.system = system
        self._client = client

    def call(
        self,
        service: ServiceName,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | bool | None = True,
        content_type: str | None = JSON,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, whatever it is. Bytes and iterators of bytes are sent as they are, all else as JSON."""
        sent = dict(headers or {})
        if key:
            sent["authorization"] = f"Bearer {self.system.key if key is True else key}"
        if body is not None and content_type:
            sent["content-type"] = content_type
        raw = body if body is None or isinstance(body, bytes | Iterator) else json.dumps(body).encode()
        encoded = {name.encode(): value.encode() for name, value in sent.items()}
        request = self._client.build_request(method, self.system.url[service] + path, content=raw, headers=encoded)
        answer = self._client.send(request, stream=True)
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.close()  # it has no end
        else:
            answer.read()
        return answer

    def ok(self, service: ServiceName, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        """The answer's JSON; fails unless it has this status (any 2xx when none is named)."""
        answer = self.call(service, method, path, body)
        assert answer.status_code == status if status else answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json()

    def refused(self, answer: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
        """The problem document of an answer, which must be one with this status and kind."""
        assert answer.status_code == status, f"{answer.status_code} instead of {status}: {answer.text}"
        assert answer.headers["content-type"] == PROBLEM
        document: dict[str, Any] = answer.json()
        assert document["status"] == status
        assert document["title"]
        assert "type" in document
        if slug:
            assert document["type"].endswith(slug)
        return document

    def post_activities(self, events: Sequence[dict[str, Any]]) -> None:
        """Any number of activities, by the thousand; every one must be taken."""
        for start in range(0, len(events), 1000):
            chunk = list(events[start : start + 1000])
            receipt = self.ok("ingest", "POST", "/v1/activities", chunk, 202)
            assert receipt["accepted"] == len(chunk), [r for r in receipt["results"] if r["status"] != "accepted"][:3]

    def readiness(self, lead_id: str) -> dict[str, Any] | None:
        """What handoff says of a lead; None as long as it has not heard of it."""
        answer = self.call("handoff", "GET", f"/v1/leads/{lead_id}/readiness")
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    def settle(self, within: float = 120) -> None:
        """Waits until everything posted is in every service: outboxes empty, nothing unread, twice the same counts."""
        seen: list[dict[str, float]] = []

        def quiet() -> bool:
            seen.append(self._movement())
            waiting = sum(value for name, value in seen[-1].items() if "processed" not in name)
            return waiting == 0 and len(seen) > 1 and seen[-1] == seen[-2]

        until(quiet, within, lambda: str(seen[-1]))

    def _movement(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for service in self.system.apis:
            samples = self.samples(service)
            for name in ("tasuki_outbox_pending", "tasuki_consumer_lag_events", "tasuki_events_processed_total"):
                found[f"{service} {name}"] = sum(value for (n, _), value in samples.items() if n == name)
        status = self.ok("metrics", "GET", "/v1/status")
        return found | {"lag": status["lag"], "processed": status["processed"]}

    def rows(self, kpi: str, **query: str) -> list[dict[str, Any]]:
        """Rows of a KPI; `start` and `end` stand for `from` and `to`."""
        named = {{"start": "from", "end": "to"}.get(name, name): value for name, value in query.items()}
        path = str(httpx.URL(f"/v1/kpis/{kpi}/values", params=named))
        rows: list[dict[str, Any]] = self.ok("metrics", "GET", path, status=200)["rows"]
        return rows

    def samples(self, service: ServiceName) -> "Samples":
        """A scrape: (name, labels) -> value."""
        text = self.call(service, "GET", "/metrics", key=None).text
        families = text_string_to_metric_families(text)
        return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@contextmanager
def outside_of(system: System) -> Iterator[Outside]:
    """Connections to a system, closed at the end."""
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield Outside(system, client)


def matching(samples: Samples, name: str, **labels: str) -> float:
    """Sum of the samples with this name that carry these labels."""
    return sum(v for (n, own), v in samples.items() if n == name and labels.items() <= dict(own).items())
