"""Clients that do not wait: a thousand of them leave nothing behind but what they wanted."""

import asyncio
import json
import random
import socket
import struct
from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from shared.eventlog.embedded import POOL_SIZE
from shared.settings import Settings
from tests.faults.client import Client
from tests.faults.inside import database, errors_logged, rows, settle
from tests.system import SERVICES, System, until

CLIENTS = 1_000
AT_ONCE = 50
LONGEST_S = 0.03
SOURCE = "impatient"

_CONNECTIONS = """
select application_name, count(*) as n, count(*) filter (where state <> 'idle') as busy
from pg_stat_activity
where application_name like 'tasuki-%' and pid <> pg_backend_pid() and query not like 'LISTEN %' group by 1
"""
"""Of the pools: those that listen for notices are beside them, as many as there are tasks that wait for some."""


def call(number: int) -> dict[str, Any]:
    activity = {"source": SOURCE, "id": f"c{number}", "type": "call", "occurred_at": "2026-02-02T00:00:00Z"}
    about = {"lead": {"email": f"mei{number % 100}@patience.co.jp"}, "rep": "ito", "direction": "outbound"}
    return activity | about | {"outcome": "busy", "duration_s": 7}


def test_reliability_15_a_thousand_cancelled_requests(system: System) -> None:
    asyncio.run(_cancel_all(system))

    client = Client(system)
    try:
        for service in SERVICES:
            pid = system.processes(f"services.{service}")[0]
            until(lambda pid=pid: _sockets(pid) < AT_ONCE, 30, lambda pid=pid: f"{_sockets(pid)} open")  # type: ignore[misc]
            # What nobody waits for is worked on all the same, until only the scrape itself is left.
            in_flight = partial(client.figure, service, "tasuki_http_requests_in_flight")
            until(lambda in_flight=in_flight: in_flight() == 1, 30)  # type: ignore[misc]
        until(lambda: _too_many(system) == {}, 30, lambda: f"pools: {_too_many(system)}")

        taken = {row["id"] for row in rows(database(system), "select id from ingest.events where source = $1", SOURCE)}
        answers: Counter[str] = Counter()
        for number in range(CLIENTS):
            reply = client.send("ingest", "POST", "/v1/activities", call(number))
            assert reply.status == 202, reply
            (result,) = reply.body["results"]
            assert result["status"] == ("duplicate" if call(number)["id"] in taken else "accepted")
            answers[result["status"]] += 1
        settle(database(system))
        for kpi, expected in (("calls", CLIENTS), ("time_spent", 7 * CLIENTS)):
            (row,) = client.get("metrics", f"/v1/kpis/{kpi}/values?grain=all&by=source&where=source:{SOURCE}")["rows"]
            assert row["value"] == expected
    finally:
        client.close()
    assert errors_logged(system) == []
    print(f"\n{CLIENTS} cancelled: {answers['duplicate']} of them had been taken")


async def _cancel_all(system: System) -> None:
    rng, slots = random.Random(15), asyncio.Semaphore(AT_ONCE)  # noqa: S311 - no secret
    moments = [rng.uniform(0, LONGEST_S) for _ in range(CLIENTS)]

    async def one(number: int) -> None:
        async with slots:
            for service, request in _requests(system, number):
                await _cancelled(system.port[service], request, moments[number])

    await asyncio.gather(*(one(number) for number in range(CLIENTS)))


def _requests(system: System, number: int) -> list[tuple[Any, bytes]]:
    """Everybody wants a call taken; one in ten asks for numbers, another for the inbox."""
    wanted = [("ingest", _request(system, "POST", "/v1/activities", call(number)))]
    if number % 10 == 0:
        wanted.append(("metrics", _request(system, "GET", "/v1/kpis/calls/values?grain=day&by=rep,hour")))
    if number % 10 == 5:
        wanted.append(("handoff", _request(system, "GET", "/v1/handoffs")))
    return wanted


def _request(system: System, method: str, path: str, body: Any = None) -> bytes:
    raw = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: tasuki\r\nAuthorization: Bearer {system.key}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n".encode() + raw


async def _cancelled(port: int, request: bytes, after_s: float) -> None:
    """Send, wait a moment, and reset the connection."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    plug: socket.socket = writer.get_extra_info("socket")
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.write(request)
    await asyncio.sleep(after_s)
    writer.transport.abort()


def _sockets(pid: int) -> int:
    return sum(1 for _ in (Path("/proc") / str(pid) / "fd").iterdir())


def _too_many(system: System) -> dict[str, tuple[int, int]]:
    """(all, those in a transaction) of the connections to PostgreSQL of each pool that is not back to its bounds."""
    found = {row["application_name"]: (row["n"], row["busy"]) for row in rows(database(system), _CONNECTIONS)}
    most = defaultdict(lambda: Settings().pool_size)
    most["tasuki-log"] = len(SERVICES) * POOL_SIZE
    return {name: (n, busy) for name, (n, busy) in found.items() if n > most[name] or busy}
