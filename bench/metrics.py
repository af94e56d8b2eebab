"""The numbers: events into every KPI of the catalogue, durable and exactly once, against reading the log alone."""

import asyncio
import http.client
import secrets
import subprocess
import sys
import time
from itertools import islice

import msgspec

from bench.consume import Consumed
from bench.corpus import history
from bench.report import figure, heading, median, ratio
from bench.stage import database, environment, free_port, memory_mib, serving
from shared.db import connect
from shared.eventlog.embedded import EmbeddedLog
from shared.settings import Settings
from shared.web import ensure_admin_key

VALUES = "/v1/kpis/calls/values?grain=month&from=2026-01-01&to=2026-12-31&by=rep"
ASKED = 15


def measure(*, events: int, length: int, seed: int) -> None:
    """Print the table. `length`: events of the lead with a long history."""
    key = secrets.token_hex(16)
    with database() as url:
        asyncio.run(_fill(url, key, events, seed))
        command = [sys.executable, "-m", "bench.consume", str(length)]
        done = subprocess.run(command, env=environment(url), stdout=subprocess.PIPE, check=True)
        consumed = msgspec.json.decode(done.stdout, type=Consumed)
        port = free_port()
        with serving(["services.metrics"], environment(url, TASUKI_METRICS_PORT=str(port)), port) as service:
            values_ms, scrape_ms = _asked_ms(port, VALUES, key), _asked_ms(port, "/metrics", key)
            memory = memory_mib(service.pid)
    _tell(events, length, consumed)
    figure("/v1/kpis/calls/values by rep and month over a year", f"{values_ms:,.1f} ms")
    figure("/metrics, one scrape", f"{scrape_ms:,.1f} ms")
    if memory is not None:
        figure("resident memory of the service that answers", f"{memory:,.0f} MiB")


async def _fill(url: str, key: str, events: int, seed: int) -> None:
    settings = Settings(database_url=url)
    engine, log = connect(settings, "bench", pool_size=2), await EmbeddedLog.open(settings)
    try:
        await ensure_admin_key(engine, key)
        messages = history(events, max(1, events // 10), seed)
        while batch := list(islice(messages, 2000)):
            await log.append(batch)
    finally:
        await log.close()
        await engine.dispose()


def _asked_ms(port: int, path: str, key: str) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    took = []
    for _ in range(ASKED):
        started = time.monotonic()
        connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
        took.append(1000 * (time.monotonic() - started))
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}")
    connection.close()
    return median(took)


def _tell(events: int, length: int, consumed: Consumed) -> None:
    heading(f"metrics: {events:,} calls of {events // 10:,} leads from the log                              events/s")
    figure("reading the log, nothing done (first)", f"{events / consumed.floor_first_s:,.0f}")
    live, rebuilt = events / consumed.live_s, consumed.events / consumed.rebuild_s
    figure("the whole catalogue, from the log to the last commit", f"{live:,.0f}")
    figure("rebuild of all KPIs from the stored events", f"{rebuilt:,.0f}")
    figure("reading the log, nothing done (last)", f"{events / consumed.floor_last_s:,.0f}")
    floor_s = (consumed.floor_first_s + consumed.floor_last_s) / 2
    ratio("whole catalogue / reading the log", floor_s / consumed.live_s, must=">= 0.20", aim=">= 0.50")
    ratio("rebuild / live", rebuilt / live, must=">= 1.0", aim=">= 3.0")
    figure("one event on a lead with 10 events", f"{consumed.short_ms:,.2f} ms")
    figure(f"one event on a lead with {length:,} events", f"{consumed.long_ms:,.2f} ms")
    ratio("long history / short", consumed.long_ms / consumed.short_ms, must="<= 1.5", aim="<= 1.1")
    if consumed.memory_mib is not None:
        figure("resident memory of the consuming process", f"{consumed.memory_mib:,.0f} MiB")
