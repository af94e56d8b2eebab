"""Whatever comes back, or cannot be sent, is an error of the client's own; streams end where the standard says."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.responses import JSONResponse, Response

from shared.client import (
    AsyncClient,
    Client,
    Invalid,
    ProblemError,
    Retry,
    ServerError,
    TasukiError,
    UnexpectedAnswer,
    Unreachable,
    ingest,
    metrics,
)
from shared.client.server_events import read_lines
from shared.settings import SERVICES
from tests.client.double import FAST, KEY, Double, Sender, problem


async def test_error_of_a_proxy_without_a_document(double: Double, send: Sender) -> None:
    double.script = [Response("<html>", 403)]
    with pytest.raises(ProblemError, match="403"):
        await send(ingest.lead("l1"))


async def test_answer_of_another_form_is_told(double: Double, send: Sender) -> None:
    double.script = [JSONResponse({"lead": 1})]
    with pytest.raises(UnexpectedAnswer, match="lead_id"):
        await send(ingest.lead("l1"))


SECRET = "a-key-that-nobody-may-read"


@pytest.mark.parametrize("key", ["", f"{SECRET}\n", f" {SECRET}", f"鍵{SECRET}", f"{SECRET}\r\nX: y"])
async def test_a_key_that_cannot_be_sent_is_told_at_once_and_never_shown(double: Double, key: str) -> None:
    async with AsyncClient(dict.fromkeys(SERVICES, double.url), key, retry=FAST) as client:
        with pytest.raises(TasukiError, match="API key") as raised:
            await client.send(metrics.status())
        with pytest.raises(TasukiError, match="API key"):
            await anext(aiter(client.events(metrics.stream())))
    assert SECRET not in str(raised.value)
    assert double.seen == []


@pytest.mark.parametrize("key", ["", "注文-1", "a\nb", " a", "a ", "a" * 256])
async def test_an_idempotency_key_that_cannot_be_sent_is_told(double: Double, send: Sender, key: str) -> None:
    with pytest.raises(TasukiError, match="Idempotency-Key"):
        await send(ingest.submit_lead({}).keyed(key))
    assert double.seen == []
    await send(ingest.submit_lead({}).keyed("order 1"))
    assert double.seen[0][2]["idempotency-key"] == "order 1"


async def test_a_service_without_an_address_is_told(double: Double) -> None:
    with Client({"ingest": double.url}, KEY) as client, pytest.raises(TasukiError, match="no address of metrics"):
        await asyncio.to_thread(client.send, metrics.status())


GARBLED = [
    Response(b"no gzip", headers={"content-encoding": "gzip"}),
    Response(b'{"lead_id": "' + b"\xff" + b'"}'),
    Response(b'{"a": ' + b"[" * 100_000, 200),
    Response(b'{"title": "' + b"\xff" + b'"}', 500),
    Response(b'{"a": ' + b"[" * 100_000, 500),
]


@pytest.mark.parametrize("answer", GARBLED, ids=range(len(GARBLED)))
async def test_whatever_comes_back_is_an_error_of_ours(double: Double, send: Sender, answer: Response) -> None:
    double.script = [answer] * FAST.tries
    with pytest.raises((UnexpectedAnswer, Unreachable, ServerError)):
        await send(ingest.lead("l1"))


async def test_a_way_elsewhere_is_no_answer(double: Double, send: Sender) -> None:
    """A proxy that asks people to sign in: its page is no CSV and no stream."""
    away = Response("<html>", 302, {"location": "https://login.example.com/?secret"})
    double.script = [away]
    with pytest.raises(UnexpectedAnswer, match="302"):
        await send(ingest.rejected_rows("i1"))
    async with AsyncClient(dict.fromkeys(SERVICES, double.url), KEY) as client:
        for script in (away, Response("<html>", media_type="text/html")):
            double.script = [script]
            with pytest.raises(UnexpectedAnswer):
                await anext(aiter(client.events(metrics.stream())))


async def test_errors_that_a_proxy_lists_in_its_own_form_are_none(double: Double, send: Sender) -> None:
    for errors in ({"a": 1}, ["x"], "x", None):
        double.script = [problem(422, "some-slug", errors=errors)]
        with pytest.raises(Invalid) as raised:
            await send(ingest.lead("l1"))
        assert list(raised.value.errors) == []


async def test_a_line_of_a_stream_ends_where_the_standard_says(double: Double) -> None:
    said = 'event: values\ndata: {"a":"x\u2028y\x85z"}\r\nid: 5\r\n\r\ndata: two\rdata: lines\r\rdata: cut off'
    double.script = [Response(said.encode(), media_type="text/event-stream")]
    async with AsyncClient(dict.fromkeys(SERVICES, double.url), KEY) as client:
        found = [event async for event in client.events(metrics.stream())]
    assert [tuple(event) for event in found] == [
        ("values", '{"a":"x\u2028y\x85z"}', "5"),
        ("message", "two\nlines", "5"),
    ]


async def test_ends_of_lines_that_come_in_parts() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a\r", b"\nb\r", b"c", b"\n\xe8\xa5", b"\xb7\n", b"rest"):
            yield part

    assert [line async for line in read_lines(parts())] == ["a", "b", "c", "襷"]


async def test_how_long_a_service_may_be_silent_is_the_callers_to_say() -> None:
    asked = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        urls = dict.fromkeys(SERVICES, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        once = Retry(tries=1)
        async with AsyncClient(urls, KEY, retry=once, timeout_s=0.2) as client:
            with pytest.raises(Unreachable, match="ReadTimeout"):
                await client.send(metrics.status())
        with Client(urls, KEY, retry=once, timeout_s=0.2) as blocking, pytest.raises(Unreachable, match="ReadTimeout"):
            await asyncio.to_thread(blocking.send, metrics.status())
    assert asked == 2
