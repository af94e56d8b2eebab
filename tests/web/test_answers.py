"""contract/http.md "Errors", "Overload" and the open paths: what every answer looks like."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import quote

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.pool import QueuePool

from shared.telemetry import Telemetry
from shared.web import Access, Answer, Call, Endpoint, create_app
from shared.web import observe as observe_module
from shared.web.endpoint import EVENTS
from tests.web.conftest import ADMIN_KEY, Site, problem, serving
from tests.web.sample import FAILURES, Sample


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v1/things/", "/v1/things/1/2", "//", "/v1/things%2F1%2F2", "/livez/"]
)
async def test_unknown_addresses_get_a_problem(site: Site, path: str) -> None:
    problem(await site.client.get(path), 404)


@pytest.mark.parametrize("name", ["a/b", "a%2Fb", "/", "山田", "a?b#c"])
async def test_what_stands_in_a_path_may_be_any_text(site: Site, name: str) -> None:
    answer = await site.client.post(f"/v1/webhooks/{quote(name, safe='')}", json={})
    assert (answer.status_code, answer.json()["source"]) == (202, name)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/v1/things"), ("DELETE", "/v1/things/1"), ("POST", "/livez"), ("TRACE", "/v1/things"), ("POST", "/docs")],
)
async def test_other_methods_get_405_with_those_allowed(site: Site, method: str, path: str) -> None:
    response = await site.client.request(method, path)
    problem(response, 405)
    assert "GET" in response.headers["allow"]


async def test_head_is_get_without_a_body(site: Site) -> None:
    head = await site.client.head("/v1/things")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len((await site.client.get("/v1/things")).content))


@pytest.mark.parametrize("failure", FAILURES, ids=lambda error: type(error).__name__)
async def test_outages_get_503_with_retry_after(site: Site, failure: Exception) -> None:
    site.sample.failure = failure
    response = await site.client.post("/v1/failing")
    problem(response, 503)
    assert int(response.headers["retry-after"]) >= 1


async def test_unexpected_errors_get_a_problem_and_a_traceback_in_the_log(site: Site) -> None:
    site.sample.failure = ZeroDivisionError("of 'mei@example.jp'")
    document = problem(await site.client.post("/v1/failing"), 500)
    assert "ZeroDivision" not in str(document)
    line = next(line for line in site.logged.getvalue().splitlines() if "request_failed" in line)
    assert "ZeroDivisionError" in line
    assert "sample.py" in line
    assert "mei@example.jp" not in line


async def test_answers_are_not_cached_and_carry_their_request_id(site: Site) -> None:
    response = await site.client.get("/v1/things", headers={"x-request-id": "mine-1"})
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-request-id"] == "mine-1"
    forged = await site.client.get("/v1/things", headers={"x-request-id": "a b\tc"})
    assert re.fullmatch("[0-9a-f]{16}", forged.headers["x-request-id"])


async def test_readiness_has_one_line_for_each_failed_check(site: Site) -> None:
    async def fine() -> str | None:
        return None

    async def broken() -> str | None:
        return "is\nbroken"

    async def raising() -> str | None:
        raise ConnectionError

    checks = {"fine": fine, "broken": broken, "raising": raising}
    app = create_app(
        title="t",
        endpoints=[],
        access=Access(site.engine),
        telemetry=Telemetry("another"),
        checks=checks,
        alive={"fine": fine},
    )
    async with serving(app) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert ready.text.splitlines() == ["broken: is broken", "raising: ConnectionError"]
        assert (await client.get("/livez")).status_code == 200


async def test_more_requests_than_can_be_worked_on_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe_module, "IN_FLIGHT_MAX", 2)
    site.sample.gate.clear()
    running = [asyncio.create_task(site.client.post("/v1/slow", json={"name": "a"})) for _ in range(6)]
    while sum(task.done() for task in running) < 4:  # noqa: ASYNC110 - until all but two were refused
        await asyncio.sleep(0.01)
    refused = [task.result() for task in running if task.done()]
    assert (await site.client.get("/livez")).status_code == 200
    families = text_string_to_metric_families((await site.client.get("/metrics")).text)
    (in_flight,) = [family for family in families if family.name == "tasuki_http_requests_in_flight"]
    assert [(s.labels, s.value) for s in in_flight.samples] == [({"service": "sample"}, 3)]  # the scrape is one
    site.sample.gate.set()
    answers = await asyncio.gather(*running)
    assert sorted(answer.status_code for answer in answers) == [201, 201, 503, 503, 503, 503]
    for answer in refused:
        assert problem(answer, 503)["type"] == "urn:tasuki:problem:overloaded"
        assert answer.headers["retry-after"]


async def test_clients_that_go_away_leave_no_connection_behind(site: Site) -> None:
    """1,000 requests that use the database, their clients gone at random moments: the pool is back to its baseline."""
    pool = site.engine.pool
    assert isinstance(pool, QueuePool)

    async def leave(number: int) -> None:
        head = ["POST /v1/things HTTP/1.1", "host: x", f"authorization: Bearer {ADMIN_KEY}", "content-length: 13"]
        head += ["content-type: application/json", f"idempotency-key: leave-{number}", "", '{"name": "a"}']
        _, writer = await asyncio.open_connection("127.0.0.1", site.port)
        writer.write("\r\n".join(head).encode())
        await writer.drain()
        await asyncio.sleep(number % 7 / 1000)
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()

    for start in range(0, 1000, 50):
        await asyncio.gather(*(leave(number) for number in range(start, start + 50)))
    async with asyncio.timeout(30):
        while pool.checkedout() > 0:  # noqa: ASYNC110 - the pool has no event for it
            await asyncio.sleep(0.05)
    headers = {"idempotency-key": "leave-0", "content-type": "application/json"}
    async with asyncio.timeout(60):
        while True:
            answer = await site.client.post("/v1/things", content=b'{"name": "a"}', headers=headers)
            if answer.status_code != 503:  # some that nobody waits for may still have their turn before us
                break
            await asyncio.sleep(float(answer.headers["retry-after"]))
    assert answer.status_code == 201


def test_an_endpoint_declared_twice_stops_the_start(site: Site) -> None:
    table = Sample().table()
    with pytest.raises(ValueError, match="declared twice"):
        create_app(title="t", endpoints=[*table, table[0]], access=Access(site.engine), telemetry=Telemetry("another"))


async def test_the_head_of_what_has_no_end_ends(site: Site) -> None:
    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        await asyncio.Event().wait()

    async def follow(_call: Call) -> Answer:
        return Answer(events(), media_type=EVENTS)

    told = {200: str}
    endpoint = Endpoint(
        method="GET",
        path="/v1/told",
        handler=follow,
        summary="Told",
        answers=told,
        answer_media_type=EVENTS,
        scope=None,
    )
    app = create_app(title="t", endpoints=[endpoint], access=Access(site.engine), telemetry=Telemetry("another"))
    one = httpx.Limits(max_connections=1)
    async with serving(app) as url, httpx.AsyncClient(base_url=url, limits=one, timeout=3, trust_env=False) as client:
        for _ in range(2):  # the connection is good for the next request
            head = await client.head("/v1/told")
            assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            assert head.headers.get_list("cache-control") == ["no-store"]
