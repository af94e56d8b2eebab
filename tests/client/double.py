"""A real small server that answers from a script, and what sends to it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from shared.client import (
    Retry,
)
from shared.client.operation import Operation

FAST = Retry(tries=4, first_s=0.001, longest_s=0.002)
KEY = "client-key"
LEAD = {"lead_id": "l1", "stage": "Awareness", "fields": {}, "created_at": "2026-11-24T00:00:00Z", "new_member": 1}


@dataclass
class Double:
    """A server that answers from a script and remembers what it was asked."""

    url: str = ""
    script: list[Response] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        raw = await request.body()
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        is_json = request.headers.get("content-type") == "application/json"
        self.seen.append((request.method, target, dict(request.headers), json.loads(raw) if is_json else raw or None))
        return self.script.pop(0) if self.script else JSONResponse(LEAD)


Sender = Callable[[Operation[Any]], Any]


def problem(status: int, slug: str, headers: dict[str, str] | None = None, **members: Any) -> Response:
    document = {"type": f"urn:tasuki:problem:{slug}", "title": slug, "status": status, **members}
    return JSONResponse(document, status, headers, "application/problem+json")
