"""contract/http.md "Retries": Idempotency-Key."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from shared.db import transaction
from shared.prune import prune
from shared.web.idempotency import RETENTION
from shared.web.problems import too_many_requests
from tests.web.conftest import Site, problem
from tests.web.sample import FAILURES


def keyed() -> dict[str, str]:
    return {"idempotency-key": uuid4().hex}


async def _age(site: Site, headers: dict[str, str], **by: int) -> None:
    """Make a stored answer older by `days`, `hours` or `seconds`."""
    statement = "update access.idempotency set started_at = started_at - make_interval(secs => :by) where key = :key"
    values = {"by": timedelta(**by).total_seconds(), "key": headers["idempotency-key"]}
    async with transaction(site.engine) as conn:
        await conn.execute(text(statement), values)


async def _until_slow_ran(site: Site, times: int) -> None:
    async with asyncio.timeout(10):
        while site.sample.runs["slow"] < times:  # noqa: ASYNC110 - the handler only counts
            await asyncio.sleep(0.01)


async def test_same_key_and_body_gets_the_stored_answer(site: Site) -> None:
    headers = keyed()
    first = await site.client.post("/v1/things", json={"name": "a"}, headers=headers)
    again = await site.client.post("/v1/things", json={"name": "a"}, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["location"] == first.headers["location"] == "/v1/things/1"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


async def test_other_body_gets_422(site: Site) -> None:
    headers = keyed()
    await site.client.post("/v1/things", json={"name": "a"}, headers=headers)
    document = problem(await site.client.post("/v1/things", json={"name": "b"}, headers=headers), 422)
    assert document["type"] == "urn:tasuki:problem:idempotency-key-reused"


async def test_keys_are_of_one_caller_and_one_address(site: Site) -> None:
    headers = keyed()
    other = await site.key("other caller", "leads:write")
    answers = [
        await site.client.post("/v1/things", json={"name": "a"}, headers=headers),
        await site.client.post("/v1/things", json={"name": "a"}, headers=headers | other),
        await site.client.post("/v1/anything", json={"name": "a"}, headers=headers),
    ]
    assert all(answer.is_success and "idempotent-replayed" not in answer.headers for answer in answers)


async def test_one_hundred_at_once_run_once(site: Site) -> None:
    headers = keyed()
    runs = site.sample.runs["create"]
    answers = await asyncio.gather(
        *(site.client.post("/v1/things", json={"name": "a"}, headers=headers) for _ in range(100))
    )
    assert site.sample.runs["create"] == runs + 1
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1


async def test_in_flight_gets_409_and_the_answer_later(site: Site) -> None:
    headers = keyed()
    site.sample.gate.clear()
    runs = site.sample.runs["slow"]
    running = asyncio.create_task(site.client.post("/v1/slow", json={"name": "a"}, headers=headers))
    await _until_slow_ran(site, runs + 1)
    refused = await site.client.post("/v1/slow", json={"name": "a"}, headers=headers)
    assert problem(refused, 409)["type"] == "urn:tasuki:problem:idempotency-in-flight"
    assert refused.headers["retry-after"]
    problem(await site.client.post("/v1/slow", json={"name": "b"}, headers=headers), 422)
    site.sample.gate.set()
    assert (await running).status_code == 201
    again = await site.client.post("/v1/slow", json={"name": "a"}, headers=headers)
    assert again.content == (await running).content


async def test_claim_of_a_dead_process_expires(site: Site) -> None:
    headers = keyed()
    site.sample.gate.clear()
    runs = site.sample.runs["slow"]
    dead = asyncio.create_task(site.client.post("/v1/slow", json={"name": "a"}, headers=headers))
    await _until_slow_ran(site, runs + 1)
    await _age(site, headers, seconds=61)
    second = asyncio.create_task(site.client.post("/v1/slow", json={"name": "a"}, headers=headers))
    await _until_slow_ran(site, runs + 2)
    site.sample.gate.set()
    await asyncio.gather(dead, second)
    # The run that was thought dead must not overwrite the answer of the one that took over.
    stored = await site.client.post("/v1/slow", json={"name": "a"}, headers=headers)
    assert stored.json()["run"] == (await second).json()["run"]


@pytest.mark.parametrize(
    ("failure", "status"),
    [*((failure, 503) for failure in FAILURES), (RuntimeError("unexpected"), 500), (too_many_requests(1.0), 429)],
    ids=lambda value: type(value).__name__,
)
async def test_answers_that_ask_for_a_repetition_are_not_stored(site: Site, failure: Exception, status: int) -> None:
    headers = keyed()
    site.sample.failure = failure
    problem(await site.client.post("/v1/failing", headers=headers), status)
    site.sample.failure = None
    again = await site.client.post("/v1/failing", headers=headers)
    assert again.status_code == 204
    assert "idempotent-replayed" not in again.headers


async def test_requests_refused_before_the_handler_do_not_take_the_key(site: Site) -> None:
    headers = keyed()
    problem(await site.client.post("/v1/things", json={}, headers=headers), 422)
    assert (await site.client.post("/v1/things", json={"name": "a"}, headers=headers)).status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb", "\xe9"])
async def test_keys_that_are_none_get_422(site: Site, key: str) -> None:
    raw = [(b"idempotency-key", key.encode("latin-1")), (b"content-type", b"application/json")]
    problem(await site.client.post("/v1/things", content=b'{"name": "a"}', headers=httpx.Headers(raw)), 422)


async def test_longest_key_and_longest_address_fit(site: Site) -> None:
    headers = {"idempotency-key": "~" * 255}
    path = "/v1/webhooks/" + "%E8%A5%B7" * 2000
    assert (await site.client.post(path, content=b"a", headers=headers)).status_code == 202
    assert (await site.client.post(path, content=b"a", headers=headers)).headers["idempotent-replayed"] == "true"


async def test_streamed_bodies_are_compared_too(site: Site) -> None:
    headers = keyed() | {"content-type": "text/csv"}
    runs = site.sample.runs["imports"]
    first = await site.client.post("/v1/imports", content=b"a,b\n1,2\n", headers=headers)
    again = await site.client.post("/v1/imports", content=b"a,b\n1,2\n", headers=headers)
    assert again.content == first.content
    problem(await site.client.post("/v1/imports", content=b"a,b\n1,3\n", headers=headers), 422)
    assert site.sample.runs["imports"] == runs + 1


async def test_answers_are_kept_for_seven_days_and_then_removed(site: Site) -> None:
    headers = keyed()
    await site.client.post("/v1/things", json={"name": "a"}, headers=headers)
    await _age(site, headers, days=7, hours=1)
    await prune(site.engine, RETENTION)
    again = await site.client.post("/v1/things", json={"name": "a"}, headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    await _age(site, headers, days=2)
    assert await prune(site.engine, RETENTION) == 1
    again = await site.client.post("/v1/things", json={"name": "a"}, headers=headers)
    assert "idempotent-replayed" not in again.headers
