"""reliability 17: an event on which handoff failed has its effect once handoff is mended, and has it once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.handoff import facts
from shared.consume import Received
from shared.events import to_message
from shared.serve import Runtime, Service
from shared.web import Access, create_app, ensure_admin_key
from tests.handoff.desk import call, created, hearing
from tests.handoff.test_app import serving, settled, told

KEY = "an-admin-key-of-this-test"
LEAD = "L1"
TAKE = "services.handoff.consume.take"
EVENTS = (created(LEAD), hearing(LEAD, needs="confirmed"), call(LEAD, "the-call"))


@asynccontextmanager
async def asking(runtime: Runtime, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    await ensure_admin_key(runtime.engine, KEY)
    app = create_app(
        title="Tasuki handoff",
        endpoints=service.endpoints,
        access=Access(runtime.engine),
        telemetry=runtime.telemetry,
    )
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://handoff", headers=headers
    ) as http:
        yield http


class Defect:
    """A release of handoff that fails on what a rep heard, until `mended`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patched = monkeypatch
        monkeypatch.setattr(TAKE, self._failing)

    async def _failing(self, conn: AsyncConnection, received: Sequence[Received]) -> list[str]:
        touched = await facts.take(conn, received)
        if any(r.event.name == "lead-fields" for r in received):
            raise KeyError("needs")
        return touched

    def mended(self) -> None:
        self._patched.setattr(TAKE, facts.take)


async def open_letters(http: httpx.AsyncClient) -> list[Any]:
    items: list[Any] = (await http.get("/v1/dead-letters")).json()["items"]
    return items


async def believed(http: httpx.AsyncClient) -> Any:
    """What handoff says of the lead, but for how far it has come in the log."""
    answer = (await http.get(f"/v1/leads/{LEAD}/readiness")).json()
    assert answer.pop("as_of")
    return answer


async def test_what_failed_in_handoff_is_taken_once_after_the_fix(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    defect = Defect(monkeypatch)
    async with serving(database_url) as (runtime, service), asking(runtime, service) as http:
        await runtime.log.append([to_message(event) for event in EVENTS])
        await settled(runtime, len(EVENTS))
        (letter,) = await open_letters(http)
        assert (letter["topic"], letter["reason"]) == ("tasuki.leads.v1", "handler_error")
        before, told_before = await believed(http), await told(runtime.log)

        refused = await http.post(f"/v1/dead-letters/{letter['id']}/retry")
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:tasuki:problem:dead-letter-still-fails")
        assert "KeyError" in refused.json()["detail"]
        assert await open_letters(http) == [letter]
        assert await believed(http) == before
        assert await told(runtime.log) == told_before

        defect.mended()
        taken = await http.post(f"/v1/dead-letters/{letter['id']}/retry")
        assert (taken.status_code, taken.json()["status"]) == (200, "taken")
        assert await open_letters(http) == []
        assert (await http.post(f"/v1/dead-letters/{letter['id']}/retry")).status_code == 404
        await settled(runtime, len(EVENTS))
        after, told_after = await believed(http), await told(runtime.log)
        assert (before["stage"], after["stage"]) == ("Engaged", "MQL")
        (needs,) = (c for c in after["criteria"] if c["id"] == "needs_confirmed")
        assert (needs["result"], len(needs["evidence"])) == ("met", 1)

        await runtime.log.append([to_message(event) for event in EVENTS])
        await settled(runtime, 2 * len(EVENTS))
        assert await believed(http) == after
        assert await told(runtime.log) == told_after
        assert len({event.identity for event in told_after}) == len(told_after)
