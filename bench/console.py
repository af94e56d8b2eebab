"""`make bench-console`: how soon the live board of a large team opens, and what those who watch it cost."""

import argparse
import asyncio
import http.client
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

from bench.cpu import cpu_s
from bench.metrics.filling import arriving, calm, fill
from bench.metrics.service import Service, metrics
from bench.metrics.team import configuration, year
from bench.report import figure, heading, held_to, percentile
from bench.stage import Database, database, environment, free_port, serving

RATE = 200
OPENED = "() => { const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd - t.startTime; }"
"""Milliseconds from asking for the page until all of it is there and drawn, by the browser's own clock."""


class Console(NamedTuple):
    """A running console, and the cookie of somebody who is signed in."""

    pid: int
    port: int
    cookie: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def main() -> None:
    """Fill a year, open its board, watch it."""
    parser = argparse.ArgumentParser(prog="bench.console", description="The live board of a large team.")
    parser.add_argument("--quick", action="store_true", help="small sizes: rough figures")
    parser.add_argument("--events", type=int, help="events of the year (1,000,000; quick: 50,000)")
    parser.add_argument("--reps", type=int, default=200, help="reps of the team (200)")
    parser.add_argument("--viewers", type=int, default=100, help="who watches at the same time (100)")
    parser.add_argument("--seconds", type=float, help="seconds of watching (60; quick: 10)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    given = parser.parse_args()
    events = given.events or (50_000 if given.quick else 1_000_000)
    seconds = given.seconds or (10.0 if given.quick else 60.0)
    measure(events=events, reps=given.reps, viewers=given.viewers, seconds=seconds, seed=given.seed)


def measure(*, events: int, reps: int, viewers: int, seconds: float, seed: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="tasuki-bench-") as folder, ExitStack() as stack:
        db = stack.enter_context(database())
        fill(db, year(events, reps, seed), events)
        config = str(configuration(Path(folder), reps))
        service = stack.enter_context(metrics(db, {"config_dir": config}))
        console = stack.enter_context(_console(db, service, config))
        service.follow("before the board")
        calm(db)
        heading(f"console: {reps} reps, {events:,} events of a year")
        _open(console, "the board opens", must="< 1,000")
        with arriving(db, RATE):
            _open(console, f"the board opens, {RATE} events/s arriving", must="< 1,000")
            for watching in (0, 1, viewers):
                _watch(console, service, watching, seconds)


@contextmanager
def _console(db: Database, service: Service, config: str) -> Iterator[Console]:
    port = free_port()
    more = {"TASUKI_CONSOLE_PORT": str(port), "TASUKI_METRICS_PORT": str(service.port), "TASUKI_CONFIG_DIR": config}
    with serving(["services.console"], environment(db.url, **more), port) as process:
        yield Console(process.pid, port, _sign_in(port, db.key))


def _sign_in(port: int, key: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    form = {"content-type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/sign-in", urlencode({"key": key, "rep": "tanaka"}), form)
    answer = connection.getresponse()
    if answer.status != 303:
        raise RuntimeError(f"signing in answered {answer.status}: {answer.read()[:300]!r}")
    cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
    connection.close()
    return cookie


def _open(console: Console, what: str, must: str, times: int = 30) -> None:
    """In a real Chromium, each time in a fresh context: nothing is cached."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        name, _, value = console.cookie.partition("=")
        took = []
        for _ in range(times):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([{"name": name, "value": value, "url": console.url}])
            took.append(_opened_ms(context.new_page(), console.url))
            context.close()
        browser.close()
    first, *others = took
    note = (
        f"p50 {percentile(others, 50):,.0f}; the first time {first:,.0f}; {times} times, nothing cached by the browser"
    )
    held_to(f"{what}, longest but the first time, ms", f"{max(others):,.0f}", must=must, note=note)


def _opened_ms(page: Page, url: str) -> float:
    page.goto(url + "/", wait_until="load")
    page.wait_for_selector("#board table")
    return float(page.evaluate(OPENED))


def _watch(console: Console, service: Service, viewers: int, seconds: float) -> None:
    """What console and metrics spend while so many watch."""
    boards = asyncio.run(_follow(console, viewers, 2.0)) if viewers else 0  # until all have their first board
    pids = (console.pid, *service.pids)
    before, began = [cpu_s(pid) for pid in pids], time.monotonic()
    if viewers:
        boards = asyncio.run(_follow(console, viewers, seconds))
    else:
        time.sleep(seconds)
    took = time.monotonic() - began
    of_console, of_metrics = ((cpu_s(pid) - spent) / took for pid, spent in zip(pids, before, strict=True))
    what = f"{viewers} watch, {RATE} events/s arriving: console, cores"
    note = f"metrics {of_metrics:.2f}; {boards / max(1, viewers) / took:.1f} boards a second for each"
    if viewers > 1:
        held_to(what, f"{of_console:.2f}", must="< 1", note=note)
    else:
        figure(what, f"{of_console:.2f}", note)


async def _follow(console: Console, viewers: int, seconds: float) -> int:
    """Boards that all of them got. Reads bytes alone, so that what watches costs little beside what is measured."""
    return sum(await asyncio.gather(*(_viewer(console, seconds) for _ in range(viewers))))


async def _viewer(console: Console, seconds: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", console.port)
    writer.write(f"GET /live HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {console.cookie}\r\n\r\n".encode())
    boards, left = 0, b""
    try:
        async with asyncio.timeout(seconds):
            while part := await reader.read(1 << 16):
                boards += (left + part).count(b"event: board")
                left = part[-11:]
    except TimeoutError:
        return boards
    finally:
        writer.close()
    raise RuntimeError("a stream ended before its time")


if __name__ == "__main__":
    main()
