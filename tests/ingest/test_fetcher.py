"""What thin notices tell of is fetched, however long it takes and whoever dies meanwhile, and counts once."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.ingest import fetches
from services.ingest.context import Context
from services.ingest.fetcher import Fetcher
from services.ingest.intake import Intake
from services.ingest.providers import PROVIDERS, Access, Form, Nothing
from services.ingest.record import Recorder
from shared.config.sources import Source
from shared.db import driver, transaction
from tests.ingest.api import Api, serving
from tests.ingest.door import Door

LEAD = {
    "created_time": "2026-11-20T03:00:00+0000",
    "field_data": [
        {"name": "email", "values": ["mei@acme.co.jp"]},
        {"name": "phone_number", "values": ["+81312345678"]},
        {"name": "会社", "values": ["株式会社アクメ"]},
    ],
}


def notice(*ids: int) -> dict[str, Any]:
    changes = [{"field": "leadgen", "value": {"leadgen_id": id_, "created_time": 1795143600}} for id_ in ids]
    return {"object": "page", "entry": [{"id": "1", "changes": changes}]}


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_TOKEN_META", "secret-token")


@asynccontextmanager
async def fetching(door: Door, api: Api) -> AsyncIterator[tuple[Fetcher, httpx.AsyncClient]]:
    """A replica's fetcher, whose source `meta` asks this API."""
    source = Source(
        id="meta",
        provider="meta",
        unsigned=True,
        token_env="TASUKI_TOKEN_META",
        api_url=api.url,
        fields={"会社": "company_name"},
    )
    door.runtime.config.sources["meta"] = source
    recorder = Recorder(door.runtime.engine, door.clock, door.runtime.config.fields.personal)
    context = Context(
        engine=door.runtime.engine,
        clock=door.clock,
        config=door.runtime.config,
        zone=door.runtime.settings.zone,
        recorder=recorder,
        telemetry=door.runtime.telemetry,
    )
    stop = asyncio.Event()
    storing = asyncio.create_task(recorder.submissions.run(stop))
    async with httpx.AsyncClient() as client:
        yield Fetcher(context, Intake(context)), client
    stop.set()
    await storing


async def pause(door: Door, seconds: float) -> None:
    door.clock.at += timedelta(seconds=seconds)


async def test_a_lead_that_comes_at_the_third_try(door: Door) -> None:
    async with serving((500, {}), (500, {}), (200, LEAD)) as api, fetching(door, api) as (fetcher, client):
        answer = await door.post("/v1/webhooks/meta", notice(7))
        assert answer.status_code == 202
        receipt = answer.json()
        assert await fetcher.fetch_one(client)
        assert not await fetcher.fetch_one(client), "it waits after a failure"
        await pause(door, fetches.FIRST_PAUSE_S)
        assert await fetcher.fetch_one(client)
        await pause(door, fetches.FIRST_PAUSE_S)
        assert not await fetcher.fetch_one(client), "it waits longer after the second"
        await pause(door, fetches.FIRST_PAUSE_S)
        assert await fetcher.fetch_one(client)
        assert [asked.path.partition("?")[0] for asked in api.asked] == ["/7"] * 3
        (told,) = await door.outbox("lead-fields")
        assert told.id == receipt["event_id"], "the event that the receipt promised"
        lead = (await door.get("/v1/leads", email="mei@acme.co.jp")).json()["items"][0]
        assert {n: f["value"] for n, f in lead["fields"].items()} == {
            "email": "mei@acme.co.jp",
            "phone": "+81312345678",
            "company_name": "株式会社アクメ",
        }
        assert lead["external_ids"] == ["meta:7"]
        assert lead["created_at"] == "2026-11-20T03:00:00Z"
        again = (await door.post("/v1/webhooks/meta", notice(7))).json()
        assert again == receipt | {"duplicate": True}
        await pause(door, 86_400)
        assert not await fetcher.fetch_one(client), "what was fetched is not fetched again"


async def test_a_lead_that_never_comes_is_in_the_quarantine_and_a_retry_fetches_it(door: Door) -> None:
    async with serving((500, {})) as api, fetching(door, api) as (fetcher, client):
        await door.post("/v1/webhooks/meta", notice(7))
        for _ in range(fetches.TRIES):
            assert (await door.get("/v1/quarantine")).json()["items"] == []
            assert await fetcher.fetch_one(client)
            await pause(door, fetches.MOST_PAUSE_S)
        assert not await fetcher.fetch_one(client)
        (kept,) = (await door.get("/v1/quarantine")).json()["items"]
        assert "12 tries" in kept["errors"][0]["detail"]
        assert "secret-token" not in json.dumps(kept)
        api.answers = [(200, LEAD)]
        retried = await door.post(f"/v1/quarantine/{kept['id']}/retry", b"")
        assert retried.status_code == 200
        assert await fetcher.fetch_one(client)
        (told,) = await door.outbox("lead-fields")
        assert told.id == retried.json()["results"][0]["event_id"]


async def test_a_notice_that_breaks_the_fetcher_does_not_end_it(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = PROVIDERS["meta"].fetch

    async def stumble(client: httpx.AsyncClient, reference: Mapping[str, Any], access: Access) -> Form | Nothing:
        if reference["leadgen_id"] == "7":
            raise ZeroDivisionError
        return await fetch(client, reference, access)

    monkeypatch.setattr(PROVIDERS["meta"], "fetch", stumble)
    async with serving((200, LEAD)) as api, fetching(door, api) as (fetcher, client):
        await door.post("/v1/webhooks/meta", notice(7))
        await door.post("/v1/webhooks/meta", notice(8))
        assert await fetcher.fetch_one(client)
        assert await fetcher.fetch_one(client)
        assert [event.name for event in await door.outbox("lead-fields")] == ["lead-fields"]
        for _ in range(fetches.TRIES - 1):
            await pause(door, fetches.MOST_PAUSE_S)
            assert await fetcher.fetch_one(client)
        (kept,) = (await door.get("/v1/quarantine")).json()["items"]
        assert "ZeroDivisionError" in kept["errors"][0]["detail"]


@pytest.mark.parametrize("said", [b"no JSON", b"[]", b"{}", {"field_data": "x"}, {"field_data": [{"name": 7}]}])
async def test_an_answer_of_another_form_is_in_the_quarantine_at_once(door: Door, said: Any) -> None:
    async with serving((200, said)) as api, fetching(door, api) as (fetcher, client):
        await door.post("/v1/webhooks/meta", notice(7))
        assert await fetcher.fetch_one(client)
        (kept,) = (await door.get("/v1/quarantine")).json()["items"]
        assert kept["errors"][0]["detail"]
        assert json.loads(kept["body"]) == notice(7)
        assert await door.outbox() == []


async def test_values_that_are_wrong_are_told_in_the_quarantine_only(door: Door) -> None:
    lead = {"field_data": [{"name": "employees", "values": ["many-people"]}]}
    async with serving((200, lead)) as api, fetching(door, api) as (fetcher, client):
        await door.post("/v1/webhooks/meta", notice(7))
        assert await fetcher.fetch_one(client)
    (kept,) = (await door.get("/v1/quarantine")).json()["items"]
    assert (kept["errors"][0]["pointer"], "many-people" in kept["errors"][0]["detail"]) == ("/employees", True)
    (fetch,) = await door.rows("select state, reason from ingest.fetches")
    assert (fetch["state"], fetch["reason"]) == ("failed", "see the quarantine")


async def test_without_a_token_notices_wait_until_there_is_one(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving((200, LEAD)) as api, fetching(door, api) as (fetcher, client):
        monkeypatch.delenv("TASUKI_TOKEN_META")
        assert (await door.post("/v1/webhooks/meta", notice(7))).status_code == 202
        assert await fetcher.fetch_one(client)
        assert api.asked == []
        monkeypatch.setenv("TASUKI_TOKEN_META", "secret-token")
        await pause(door, fetches.FIRST_PAUSE_S)
        assert await fetcher.fetch_one(client)
        assert len(api.asked) == 1


async def test_two_replicas_share_the_notices(door: Door) -> None:
    async with (
        serving((200, LEAD)) as api,
        fetching(door, api) as (one, client),
        fetching(door, api) as (other, _),
    ):
        await door.post("/v1/webhooks/meta", notice(*range(1, 7)))

        async def work(fetcher: Fetcher) -> int:
            done = 0
            while await fetcher.fetch_one(client):
                done += 1
            return done

        done = await asyncio.gather(work(one), work(other))
        assert sum(done) == 6
        assert all(done), "both had something to do"
        assert sorted(asked.path.partition("?")[0] for asked in api.asked) == [f"/{n}" for n in range(1, 7)]


async def test_a_notice_is_taken_by_one_of_two_who_want_it_at_once(door: Door) -> None:
    async with serving((200, LEAD)) as api, fetching(door, api):
        await door.post("/v1/webhooks/meta", notice(7))
    engine, now = door.runtime.engine, door.clock.now()
    async with transaction(engine) as one, transaction(engine) as other, asyncio.timeout(10):
        assert await fetches.take(await driver(one), ["meta"], now) is not None
        assert await fetches.take(await driver(other), ["meta"], now) is None, "nor does it wait for the first"


async def test_one_that_died_while_it_fetched_is_followed_by_another(door: Door) -> None:
    async with serving((200, LEAD)) as api, fetching(door, api) as (fetcher, client):
        await door.post("/v1/webhooks/meta", notice(7))
        async with transaction(door.runtime.engine) as conn:
            assert await fetches.take(await driver(conn), ["meta"], door.clock.now()) is not None
        assert not await fetcher.fetch_one(client)
        await pause(door, fetches.FIRST_PAUSE_S)
        assert await fetcher.fetch_one(client)
        assert len(await door.outbox("lead-fields")) == 1


async def test_one_that_died_before_it_said_so_fetches_a_duplicate(door: Door) -> None:
    async with serving((200, LEAD)) as api, fetching(door, api) as (fetcher, client):
        await door.post("/v1/webhooks/meta", notice(7))
        assert await fetcher.fetch_one(client)
        await door.rows("update ingest.fetches set state = 'waiting' returning 1")
        await pause(door, fetches.FIRST_PAUSE_S)
        assert await fetcher.fetch_one(client)
        assert len(await door.outbox("lead-fields")) == 1
        (state,) = await door.rows("select state from ingest.fetches")
        assert state["state"] == "done"


async def test_it_runs_by_itself_and_stops(door: Door) -> None:
    async with serving((200, LEAD)) as api, fetching(door, api) as (fetcher, _):
        stop = asyncio.Event()
        running = asyncio.create_task(fetcher.run(stop))
        await door.post("/v1/webhooks/meta", notice(7))
        async with asyncio.timeout(30):
            while not await door.outbox("lead-fields"):  # noqa: ASYNC110 - it is asked as an operator would
                await asyncio.sleep(0.05)
            stop.set()
            await running
