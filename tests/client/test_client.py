"""The client against a real small server: what it repeats, how it waits, which errors it raises."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

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
    UnexpectedAnswer,
    Unreachable,
    dead_letters,
    handoff,
    ingest,
    metrics,
    outreach,
    retry_dead_letter,
)
from shared.client.exchange import Reply, Send, Wait, exchange
from shared.client.operation import Operation
from shared.client.server_events import read_lines
from shared.settings import SERVICES
from tests.web.conftest import serving

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


@pytest.fixture
async def double() -> AsyncIterator[Double]:
    made = Double()
    app = Starlette(routes=[Route("/{path:path}", made.answer, methods=["GET", "POST"])])
    async with serving(app) as url:
        made.url = url
        yield made


Sender = Callable[[Operation[Any]], Any]


@pytest.fixture(params=["sync", "async"])
async def send(request: pytest.FixtureRequest, double: Double) -> AsyncIterator[Sender]:
    """Sends an operation with one of the two clients, so that every rule is seen to hold for both."""
    urls = dict.fromkeys(SERVICES, double.url)
    if request.param == "async":
        async with AsyncClient(urls, KEY, retry=FAST) as client:
            yield client.send
    else:
        with Client(urls, KEY, retry=FAST) as blocking:
            yield lambda operation: asyncio.to_thread(blocking.send, operation)


def problem(status: int, slug: str, headers: dict[str, str] | None = None, **members: Any) -> Response:
    document = {"type": f"urn:tasuki:problem:{slug}", "title": slug, "status": status, **members}
    return JSONResponse(document, status, headers, "application/problem+json")


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


DRAFT = {"id": "draft", "criteria": {}}
BACKTEST = {"policy": DRAFT, "from": "2026-04-01", "to": "2026-09-30", "known": "observed"}


@pytest.mark.parametrize(
    ("operation", "method", "target", "body"),
    [
        (handoff.policies(limit=5), "GET", "/v1/policies?limit=5", None),
        (handoff.policy("a b", 2), "GET", "/v1/policies/a%20b/versions/2", None),
        (handoff.policy_changes("default", 3), "GET", "/v1/policies/default/versions/3/changes", None),
        (handoff.policy_changes("default", 3, since=1), "GET", "/v1/policies/default/versions/3/changes?since=1", None),
        (handoff.backtest(DRAFT, first="2026-04-01", last="2026-09-30"), "POST", "/v1/policies/backtest", BACKTEST),
        (handoff.results(first="2026-04-01"), "GET", "/v1/handoffs/results?from=2026-04-01", None),
        (handoff.stage_flow(last="2026-04-30"), "GET", "/v1/stages?to=2026-04-30", None),
    ],
)
async def test_what_is_asked_of_policies(
    double: Double, send: Sender, operation: Operation[Any], method: str, target: str, body: Any
) -> None:
    double.script = [JSONResponse({"x": 1})]
    assert await send(operation) == {"x": 1}
    asked, path, _, sent = double.seen[0]
    assert (asked, path.replace(" ", "%20"), sent) == (method, target, body)


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


async def test_error_of_a_proxy_without_a_document(double: Double, send: Sender) -> None:
    double.script = [Response("<html>", 403)]
    with pytest.raises(ProblemError, match="403"):
        await send(ingest.lead("l1"))


async def test_answer_of_another_form_is_told(double: Double, send: Sender) -> None:
    double.script = [JSONResponse({"lead": 1})]
    with pytest.raises(UnexpectedAnswer, match="lead_id"):
        await send(ingest.lead("l1"))


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


async def test_dead_letters_are_asked_of_any_service(double: Double, send: Sender) -> None:
    letter = {"id": "d-1", "topic": "tasuki.leads.v1", "partition": 3, "offset": 7, "reason": "handler_error"}
    double.script = [
        JSONResponse({"items": [letter], "next_cursor": None}),
        problem(422, "dead-letter-still-fails"),
    ]
    (found,) = (await send(dead_letters("handoff", limit=1))).items
    assert (found.id, found.partition, found.offset, found.reason) == ("d-1", 3, 7, "handler_error")
    with pytest.raises(Invalid) as raised:
        await send(retry_dead_letter("outreach", "d-1"))
    assert raised.value.slug == "dead-letter-still-fails"
    assert [target for _, target, _, _ in double.seen] == ["/v1/dead-letters?limit=1", "/v1/dead-letters/d-1/retry"]
    asked = [metrics.dead_letters(1), dead_letters("ingest", 1), metrics.retry_dead_letter("1")]
    assert [operation.service for operation in asked] == ["metrics", "ingest", "metrics"]


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


def test_activities_are_cut_by_number_and_by_size() -> None:
    small = [{"id": str(n)} for n in range(2500)]
    assert [len(operation.body) for operation in ingest.activity_chunks(small)] == [1000, 1000, 500]
    large = [{"id": str(n), "note": "x" * 20_000} for n in range(100)]
    chunks = list(ingest.activity_chunks(large))
    assert [item for chunk in chunks for item in chunk.body] == large
    assert all(len(json.dumps(chunk.body, separators=(",", ":"))) < 1024 * 1024 for chunk in chunks)


def test_ids_cannot_leave_their_place_in_a_path() -> None:
    assert ingest.lead("../x?y#z").path == "/v1/leads/..%2Fx%3Fy%23z"

    for dots, kept in ((".", "%2E"), ("..", "%2E%2E"), ("...", "...")):
        assert ingest.lead(dots).path == f"/v1/leads/{kept}"


async def test_an_id_of_dots_asks_for_nothing_else(double: Double, send: Sender) -> None:
    await send(ingest.lead(".."))
    await send(ingest.lead("."))
    assert [target for _, target, _, _ in double.seen] == ["/v1/leads/..", "/v1/leads/."]


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
        began = asyncio.get_running_loop().time()
        async with AsyncClient(urls, KEY, retry=once, timeout_s=0.2) as client:
            with pytest.raises(Unreachable, match="ReadTimeout"):
                await client.send(metrics.status())
        with Client(urls, KEY, retry=once, timeout_s=0.2) as blocking, pytest.raises(Unreachable, match="ReadTimeout"):
            await asyncio.to_thread(blocking.send, metrics.status())
        assert asyncio.get_running_loop().time() - began < 5
    assert asked == 2


USE = {"use_id": "m1", "lead_id": "l1", "rep": "r", "kind": "template", "content": "t", "language": "ja"}
SENT = {
    "mail_id": "m1",
    "lead_id": "l1",
    "message_id": "<m1@example.jp>",
    "use": USE | {"used_at": "2026-11-24T00:00:00Z"},
}
CONSENT = {"lead_id": "l1", "basis": "consent", "bases": [{"channel": None, "basis": "consent"}]}
SNIPPET = {"id": "s", "key": ";s", "label": {"ja": "あ", "en": "a"}, "language": "ja", "text": "x"}


@pytest.mark.parametrize(
    ("operation", "answer", "method", "target", "body"),
    [
        (
            ingest.consent("l1", basis="consent", evidence="名刺", channels=["email"]),
            CONSENT,
            "POST",
            "/v1/leads/l1/consent",
            {"basis": "consent", "evidence": "名刺", "channels": ["email"]},
        ),
        (ingest.consents("l1"), CONSENT, "GET", "/v1/leads/l1/consent", None),
        (
            ingest.erase("l1", reason="asked"),
            {"lead_id": "l1", "erased_at": "2026-11-24T00:00:00Z"},
            "POST",
            "/v1/leads/l1/erase",
            {"reason": "asked"},
        ),
        (handoff.definitions(), {"items": []}, "GET", "/v1/definitions", None),
        (
            outreach.send_template("t", "l1", rep="r", values={"a": 1}, language="en"),
            SENT,
            "POST",
            "/v1/templates/t/send",
            {"lead_id": "l1", "rep": "r", "values": {"a": 1}, "language": "en"},
        ),
        (outreach.snippet("s", language="ja"), SNIPPET, "GET", "/v1/snippets/s?language=ja", None),
        (
            metrics.contributors("calls", grain="day", by=("rep",), where={"rep": "a,b"}, limit=5),
            {"items": []},
            "GET",
            "/v1/kpis/calls/contributors?grain=day&by=rep&where=rep%3Aa%5C%2Cb&limit=5",
            None,
        ),
    ],
)
async def test_what_the_contract_offers_can_be_asked(
    double: Double, send: Sender, operation: Operation[Any], answer: Any, method: str, target: str, body: Any
) -> None:
    double.script = [JSONResponse(answer)]
    assert await send(operation)
    asked, path, _, sent = double.seen[0]
    assert (asked, path, sent) == (method, target, body)


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
