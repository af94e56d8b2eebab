"""The client against a real small server: what it repeats, how it waits, which errors it raises."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from starlette.responses import JSONResponse, Response

import shared.client as client_package
from shared.client import (
    AsyncClient,
    Client,
    Conflict,
    Invalid,
    NotFound,
    ProblemError,
    Retry,
    ServerError,
    TasukiError,
    Unauthorized,
    Unavailable,
    Unreachable,
    handoff,
    ingest,
    metrics,
)
from shared.client.exchange import Reply, Send, Wait, exchange
from shared.settings import SERVICES
from tests.client.double import FAST, KEY, LEAD, Double, Sender, problem


async def test_answers_are_typed_and_unknown_members_ignored(double: Double, send: Sender) -> None:
    lead = await send(ingest.lead("l1"))
    assert lead.lead_id == "l1"
    assert lead.created_at == datetime(2026, 11, 24, tzinfo=UTC)
    method, target, headers, body = double.seen[0]
    assert (method, target, body) == ("GET", "/v1/leads/l1", None)
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "idempotency-key" not in headers


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_what_passes_is_repeated_with_the_same_key(double: Double, send: Sender, status: int) -> None:
    double.script = [problem(status, "x"), problem(status, "x")]
    assert (await send(ingest.submit_lead({"email": "a@example.jp"}))).lead_id == "l1"
    keys = {headers["idempotency-key"] for _, _, headers, _ in double.seen}
    assert (len(double.seen), len(keys)) == (3, 1)
    await send(ingest.submit_lead({"email": "a@example.jp"}))
    assert double.seen[-1][2]["idempotency-key"] not in keys


async def test_an_upload_is_sent_in_chunks_and_from_its_beginning_when_it_is_repeated(
    double: Double, send: Sender
) -> None:
    imported = {"id": "i1", "source": "website", "state": "waiting", "received_at": "2026-11-24T00:00:00Z"}
    double.script = [problem(503, "unavailable"), JSONResponse(imported, 202)]
    chunks = lambda: iter([b"email\n", "髙@example.jp\n".encode("cp932")])  # noqa: E731
    found = await send(ingest.import_leads("website", chunks, dry_run=True, charset="cp932"))
    assert (found.id, found.is_over) == ("i1", False)
    assert [(method, target, body) for method, target, _, body in double.seen] == [
        ("POST", "/v1/imports?source=website&dry_run=true", "email\n髙@example.jp\n".encode("cp932"))
    ] * 2
    assert {headers["content-type"] for _, _, headers, _ in double.seen} == {"text/csv; charset=cp932"}
    assert {headers["transfer-encoding"] for _, _, headers, _ in double.seen} == {"chunked"}
    assert len({headers["idempotency-key"] for _, _, headers, _ in double.seen}) == 1


async def test_what_is_no_json_comes_as_it_is(double: Double, send: Sender) -> None:
    double.script = [Response(b"row,reason\r\n\xff", media_type="text/csv")]
    assert await send(ingest.rejected_rows("i1")) == b"row,reason\r\n\xff"


async def test_request_in_flight_is_asked_for_again(double: Double, send: Sender) -> None:
    double.script = [problem(409, "idempotency-in-flight")]
    assert (await send(ingest.submit_lead({}))).lead_id == "l1"


async def test_other_conflicts_are_raised_at_once(double: Double, send: Sender) -> None:
    double.script = [problem(409, "handoff-not-ready", readiness={"decision": "not_ready"})]
    with pytest.raises(Conflict) as raised:
        await send(handoff.hand_over("l1", rep="r", reason="x"))
    assert raised.value.slug == "handoff-not-ready"
    assert raised.value.document["readiness"] == {"decision": "not_ready"}
    assert len(double.seen) == 1


@pytest.mark.parametrize(
    ("status", "error"), [(401, Unauthorized), (404, NotFound), (418, ProblemError), (422, Invalid), (500, ServerError)]
)
async def test_errors_by_status(double: Double, send: Sender, status: int, error: type[ProblemError]) -> None:
    double.script = [problem(status, "some-slug", detail="what to do", errors=[{"pointer": "/a", "detail": "b"}])]
    with pytest.raises(error, match="some-slug: what to do") as raised:
        await send(ingest.lead("l1"))
    assert (raised.value.status, raised.value.errors[0].pointer) == (status, "/a")
    assert len(double.seen) == 1


async def test_after_all_tries_the_last_error_is_raised(double: Double, send: Sender) -> None:
    double.script = [problem(503, "unavailable") for _ in range(10)]
    with pytest.raises(Unavailable):
        await send(ingest.lead("l1"))
    assert len(double.seen) == FAST.tries


async def test_nobody_there() -> None:
    urls = dict.fromkeys(SERVICES, "http://127.0.0.1:1")
    async with AsyncClient(urls, KEY, retry=FAST) as client:
        with pytest.raises(Unreachable, match="ConnectError"):
            await client.send(metrics.status())
    with Client(urls, KEY, retry=FAST) as blocking, pytest.raises(Unreachable, match="ConnectError"):
        await asyncio.to_thread(blocking.send, metrics.status())


async def test_cut_connection_is_repeated_with_the_same_key() -> None:
    keys: list[bytes] = []

    async def cut_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        keys.append(next(line for line in head.split(b"\r\n") if line.startswith(b"idempotency-key")))
        if len(keys) > 1:
            body = json.dumps(LEAD).encode()
            writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        writer.close()

    async with await asyncio.start_server(cut_once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with AsyncClient(dict.fromkeys(SERVICES, f"http://127.0.0.1:{port}"), KEY, retry=FAST) as client:
            assert (await client.send(ingest.submit_lead({}))).lead_id == "l1"
    assert len(keys) == 2
    assert keys[0] == keys[1]


async def test_lists_are_read_to_their_end(double: Double) -> None:
    double.script = [
        JSONResponse({"items": [LEAD, LEAD], "next_cursor": "abc"}),
        JSONResponse({"items": [LEAD], "next_cursor": None}),
    ]
    async with AsyncClient(dict.fromkeys(SERVICES, double.url), KEY) as client:
        found = [lead async for lead in client.items(ingest.search(q="襷", limit=2))]
    assert len(found) == 3
    assert [target for _, target, _, _ in double.seen] == [
        "/v1/leads?q=%E8%A5%B7&limit=2",
        "/v1/leads?q=%E8%A5%B7&limit=2&cursor=abc",
    ]


@pytest.mark.parametrize("date_form", [False, True])
def test_retry_after_is_waited_for(date_form: bool) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=7), usegmt=True) if date_form else "7"
    steps = exchange(ingest.lead("l1"), KEY, Retry(tries=3, first_s=0.5, total_s=12.0))
    assert isinstance(next(steps), Send)
    wait = steps.send(Reply(503, {"retry-after": later}, b"{}"))
    assert isinstance(wait, Wait)
    assert 6.0 < wait.seconds < 8.0
    assert isinstance(steps.send(None), Send)
    # A second wait of 7 s would be more than the 12 s of pauses that are allowed in all.
    with pytest.raises(Unavailable):
        steps.send(Reply(503, {"retry-after": later}, b"{}"))


def test_a_retry_after_that_is_no_time_is_not_waited_for() -> None:
    for said in ("soon", "Fri, 20 Nov 99999999999999999999 00:00:00 GMT"):
        steps = exchange(ingest.lead("l1"), KEY, Retry(tries=3, first_s=0.5))
        next(steps)
        wait = steps.send(Reply(503, {"retry-after": said}, b"{}"))
        assert isinstance(wait, Wait)
        assert wait.seconds <= 0.5


def test_pauses_grow_and_differ() -> None:
    retry = Retry(tries=9, first_s=0.1, longest_s=1.0)
    for tried, longest in [(1, 0.1), (2, 0.2), (4, 0.8), (8, 1.0)]:
        pauses = {retry.pause(tried, None, 0.0) for _ in range(50)}
        assert len(pauses) > 40
        assert all(pause is not None and longest / 2 <= pause <= longest for pause in pauses)
    assert retry.pause(9, None, 0.0) is None


def test_the_public_list_is_what_can_be_imported() -> None:
    errors = {n for n, v in vars(client_package).items() if isinstance(v, type) and issubclass(v, TasukiError)}
    assert errors <= set(client_package.__all__)
    assert all(hasattr(client_package, name) for name in client_package.__all__)
