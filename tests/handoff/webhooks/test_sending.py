"""However an endpoint misbehaves: nothing is lost, nothing else is reached, and the address is told to nobody."""

import asyncio
import io
import json
import socket
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.handoff.webhooks import send
from services.handoff.webhooks.schedule import TRIES, pause_s
from services.handoff.webhooks.standard import Post, headers_of
from services.ingest.providers import PROVIDERS, Delivery, Verdict
from shared.telemetry import Telemetry
from tests.connections import watched_connections
from tests.handoff.desk import Desk
from tests.handoff.webhooks import telling as own
from tests.handoff.webhooks.telling import OLD_SECRET, SECRET, Telling, slack, standard, telling, told
from tests.system import until
from tests.website import Page, Website, answer, redirect

CANARY = "canary-of-the-address"


async def one_delivery(desk: Desk, site: Website, **more: Any) -> Telling:
    """An endpoint that is to be told one event."""
    office = await telling(desk, standard(site.url + f"/{CANARY}", **more))
    site.pages[f"/{CANARY}"] = site.pages["/"]
    await desk.hand_over(await desk.ready_lead("L1"))
    return office


def answers(site: Website, page: Page) -> None:
    site.pages[f"/{CANARY}"] = page


@pytest.fixture
def deadline(monkeypatch: pytest.MonkeyPatch) -> float:
    """So short that a test can wait for it."""
    monkeypatch.setattr(send, "DEADLINE_S", 0.5)
    return 0.5


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # until the other side closes


def drip(connection: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":
        connection.send(bytes([byte]))
        time.sleep(0.1)


def cut(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 O")


@pytest.mark.parametrize(
    ("page", "code", "reason"),
    [
        (answer(status=500), 500, "answers 500"),
        (answer(status=503), 503, "answers 503"),
        (answer(status=400), 400, "answers 400"),
        (answer(status=404), 404, "answers 404"),
        (answer(status=429), 429, "answers 429"),
        (redirect("/elsewhere"), 302, "redirects (302)"),
        (redirect("/elsewhere", 307), 307, "redirects (307)"),
        (silent, None, "did not answer within 0.5 s"),
        (drip, None, "did not answer within 0.5 s"),
        (cut, None, "broke the answer off"),
        (b"", None, "broke the answer off"),
        (b"SSH-2.0-x\r\n\r\n", None, "broke the answer off"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, None, "broke the answer off"),
    ],
)
async def test_an_attempt_that_fails_is_on_record_and_repeated(
    desk: Desk, site: Website, deadline: float, page: Page, code: int | None, reason: str
) -> None:
    office = await one_delivery(desk, site)
    answers(site, page)
    assert await office.send() == 1
    row = await office.row()
    assert (row["status"], row["attempts"], row["answer"]) == ("pending", 1, code)
    assert reason in row["reason"]
    assert row["next_at"] == desk.clock.now() + timedelta(seconds=pause_s(1, 0.5))
    assert site.paths == [f"/{CANARY}"], "and nobody else was asked"
    answers(site, answer(status=204))
    desk.clock.at = row["next_at"]
    assert await office.send() == 1
    row = await office.row()
    assert (row["status"], row["attempts"], row["answer"], row["reason"]) == ("delivered", 2, 204, None)
    assert told(site)[0] == told(site)[1]
    ids = {own.headers_of(head)["webhook-id"] for head in site.requests}
    assert ids == {told(site)[0]["id"]}, "the same id at each attempt"


async def test_an_endpoint_that_nobody_serves(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard("http://127.0.0.1:9/"))
    await desk.hand_over(await desk.ready_lead("L1"))
    await office.send()
    assert "no connection to the endpoint" in (await office.row())["reason"]


async def test_an_endless_answer_is_not_read(desk: Desk, site: Website) -> None:
    sent = 0

    def endless(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sent += connection.send(b"x" * 65536)

    office = await one_delivery(desk, site)
    answers(site, endless)
    async with asyncio.timeout(5):
        assert await office.send() == 1
    assert (await office.row())["status"] == "delivered"
    assert sent < 20_000_000, "the connection was closed"


async def test_after_the_last_try_the_delivery_is_dead_and_a_replay_tries_again(desk: Desk, site: Website) -> None:
    office = await one_delivery(desk, site)
    answers(site, answer(status=500))
    begin = desk.clock.now()
    while (row := await office.row())["status"] == "pending":
        desk.clock.at = max(desk.clock.at, row["next_at"])
        assert await office.send() == 1
    assert (row["status"], row["attempts"]) == ("dead", TRIES) == ("dead", len(site.requests))
    assert timedelta(days=2.5) < row["finished_at"] - begin < timedelta(days=3.5)
    desk.clock.at += timedelta(days=1)
    assert await office.send() == 0
    answers(site, answer())
    again = (await office.call("POST", f"/v1/webhooks/deliveries/{row['number']}/replay")).body
    assert (again["status"], again["attempts"]) == ("pending", 0)
    assert await office.send() == 1
    assert (await office.row())["status"] == "delivered"


async def test_one_that_ends_its_process_each_time_is_given_up(desk: Desk, site: Website) -> None:
    office = await one_delivery(desk, site)
    await desk.rows("update handoff.deliveries set attempts = $1", TRIES)
    assert await office.send() == 1
    row = await office.row()
    assert (row["status"], site.connections) == ("dead", 0)
    assert "broken off" in row["reason"]


@pytest.mark.parametrize("status", [429, 503])
async def test_an_endpoint_that_asks_for_a_pause_is_left_alone_with_all_that_waits(
    desk: Desk, site: Website, status: int
) -> None:
    office = await one_delivery(desk, site)
    await desk.hand_over(await desk.ready_lead("L2"))
    answers(site, answer(status=status, retry_after="3600"))
    assert await office.send() == 1, "the second lead is not even tried"
    (shown,) = (await office.call("GET", "/v1/webhooks")).body["items"]
    assert (shown["state"], shown["pending"]) == ("paused", 2)
    answers(site, answer())
    desk.clock.at += timedelta(seconds=3599)
    assert await office.send() == 0
    desk.clock.at += timedelta(seconds=1)
    assert await office.send() == 2
    assert (await office.call("GET", "/v1/webhooks")).body["items"][0]["state"] == "active"


async def test_a_pause_that_is_shorter_than_ours_does_not_hurry_us(desk: Desk, site: Website) -> None:
    office = await one_delivery(desk, site)
    answers(site, answer(status=429, retry_after="1"))
    await office.send()
    assert (await office.row())["next_at"] == desk.clock.now() + timedelta(seconds=pause_s(1, 0.5))


async def test_an_endpoint_that_is_gone_gets_nothing_until_it_is_enabled_and_loses_nothing(
    desk: Desk, site: Website
) -> None:
    office = await one_delivery(desk, site)
    answers(site, answer(status=410))
    assert await office.send() == 1
    await desk.hand_over(await desk.ready_lead("L2"))
    desk.clock.at += timedelta(days=10)
    assert await office.send() == 0
    (shown,) = (await office.call("GET", "/v1/webhooks")).body["items"]
    assert (shown["state"], shown["pending"]) == ("disabled", 2)
    assert shown["disabled_at"] is not None
    office = await telling(desk, standard(site.url + f"/{CANARY}"))
    assert await office.send() == 0, "a restart does not enable it"
    answers(site, answer())
    assert (await office.call("POST", "/v1/webhooks/crm/enable")).body["state"] == "active"
    assert await office.send() == 2


async def test_what_had_its_last_try_when_the_endpoint_was_gone_is_sent_once_it_is_enabled(
    desk: Desk, site: Website
) -> None:
    office = await one_delivery(desk, site)
    await desk.rows("update handoff.deliveries set attempts = $1", TRIES - 1)
    answers(site, answer(status=410))
    assert await office.send() == 1
    answers(site, answer())
    await office.call("POST", "/v1/webhooks/crm/enable")
    assert await office.send() == 1
    assert (await office.row())["status"] == "delivered"


async def test_another_address_begins_anew(desk: Desk, site: Website) -> None:
    office = await one_delivery(desk, site)
    answers(site, answer(status=410))
    await office.send()
    office = await telling(desk, standard(f"{site.url}/"))
    assert await office.send() == 1
    assert site.paths == [f"/{CANARY}", "/"]


async def test_a_redirect_is_not_followed_wherever_it_leads(desk: Desk, site: Website) -> None:
    office = await one_delivery(desk, site)
    with Website({"/": answer()}) as inside, watched_connections() as begun:
        for location in (inside.url, "http://169.254.169.254/", "https://hooks.slack.com/", "/"):
            answers(site, redirect(location, 308))
            await desk.rows("update handoff.deliveries set next_at = now() - interval '9 years'")
            assert await office.send() == 1
        assert (inside.connections, set(begun)) == (0, {("127.0.0.1", site.port)})
    assert site.paths == [f"/{CANARY}"] * 4


def test_the_signature_is_that_of_the_published_example() -> None:
    """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""
    body = b'{"test": 2432232314}'
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = headers_of(Post(body, "application/json"), "msg_p5jXN8AQM9LWM0D4loKWxJek", [secret], at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def verdict(site: Website, n: int, secret: str, at: datetime) -> Verdict:
    """What Tasuki's own door for Standard Webhooks says of a request that came."""
    delivery = Delivery(
        body=site.bodies[n], content_type="application/json", headers=own.headers_of(site.requests[n]), at=at
    )
    return PROVIDERS["standard_webhooks"].verify(delivery, [secret])


async def test_each_attempt_is_signed_anew_and_by_both_secrets_while_they_are_rotated(
    desk: Desk, site: Website
) -> None:
    office = await one_delivery(desk, site, previous_secret_env="OLD")
    answers(site, answer(status=500))
    await office.send()
    desk.clock.at += timedelta(hours=1)
    await office.send()
    for secret in (SECRET, OLD_SECRET):
        assert verdict(site, 1, secret, desk.clock.now()) is Verdict.GENUINE
        assert verdict(site, 0, secret, desk.clock.now()) is Verdict.STALE
    assert verdict(site, 1, "whsec_" + "A" * 32, desk.clock.now()) is Verdict.WRONG
    site.bodies[1] += b" "
    assert verdict(site, 1, SECRET, desk.clock.now()) is Verdict.WRONG


async def test_a_body_has_a_bound_however_much_sales_has_written(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url, comments=True), slack(site.url, comments=True))
    handoff = await desk.hand_over(await desk.ready_lead("L1"), reason="x" * 20_000)
    form = {"sales_rep": "suzuki", "reason": "no_need", "comment": "<&𠮷" * 6_666}
    await desk.post(f"/v1/handoffs/{handoff['handoff_id']}/return", form, 200)
    await office.send("crm")
    assert max(len(body) for body in site.bodies) < 128 * 1024
    site.bodies.clear()
    await office.send("sales")
    assert max(len(json.loads(body)["text"]) for body in site.bodies) <= 4_000


@pytest.mark.parametrize("page", [answer(status=500), silent, cut, redirect("/x"), answer(status=410), answer()])
async def test_neither_the_address_nor_a_secret_is_in_the_logs_or_answers(
    desk: Desk, site: Website, deadline: float, page: Page
) -> None:
    lines = io.StringIO()
    desk.telemetry = Telemetry("handoff", level="debug", stream=lines)
    office = await one_delivery(desk, site)
    answers(site, page)
    for _ in range(2):
        await office.send()
        desk.clock.at += timedelta(days=1)
    shown = lines.getvalue()
    for path in ("/v1/webhooks", "/v1/webhooks/deliveries"):
        shown += str((await office.call("GET", path)).body)
    shown += str((await office.call("POST", "/v1/webhooks/crm/test")).body)
    shown += (await desk.telemetry.render()).decode()
    assert "crm" in shown
    for secret in (CANARY, SECRET, SECRET[6:], SECRET[6:20]):
        assert secret not in shown


async def test_what_comes_of_attempts_is_counted(desk: Desk, site: Website) -> None:
    office = await one_delivery(desk, site)
    for status in (500, 410, 200):
        answers(site, answer(status=status))
        await office.call("POST", "/v1/webhooks/crm/enable")
        await office.send()
        desk.clock.at += timedelta(hours=1)
    text = (await desk.telemetry.render()).decode()
    for result in ("failed", "gone", "delivered"):
        assert f'tasuki_webhook_deliveries_total{{endpoint="crm",result="{result}"}} 1.0' in text


async def test_the_task_sends_as_soon_as_there_is_something_and_stops(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    stop = asyncio.Event()
    task = asyncio.create_task(office.worker.run(stop))
    await asyncio.sleep(0.3)
    await desk.hand_over(await desk.ready_lead("L1"))
    await asyncio.to_thread(until, lambda: len(site.bodies) == 1)
    stop.set()
    async with asyncio.timeout(3):
        await task


async def test_a_stop_does_not_wait_for_an_endpoint_that_hangs_and_loses_nothing(desk: Desk, site: Website) -> None:
    office = await one_delivery(desk, site)
    answers(site, silent)
    stop = asyncio.Event()
    task = asyncio.create_task(office.worker.run(stop))
    await asyncio.to_thread(until, lambda: site.connections == 1)
    stop.set()
    async with asyncio.timeout(4):
        await task
    answers(site, answer())
    desk.clock.at += timedelta(minutes=1)
    assert await office.send() == 1
    assert (await office.row())["attempts"] == 2


async def test_no_more_than_a_few_are_in_flight_at_once(desk: Desk, site: Website) -> None:
    office = await telling(desk, standard(site.url))
    open_now = most = 0

    def counting(connection: socket.socket) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        time.sleep(0.1)
        open_now -= 1
        connection.sendall(answer())

    site.pages["/"] = counting
    for n in range(12):
        await desk.hand_over(await desk.ready_lead(f"L{n}"))
    stop = asyncio.Event()
    task = asyncio.create_task(office.worker.run(stop))
    await asyncio.to_thread(until, lambda: len(site.bodies) == 12)
    stop.set()
    await task
    assert 1 < most <= 4
