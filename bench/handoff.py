"""`make bench-handoff`: how fast handoff decides among many leads, and how long a back-test of all of them takes."""

import argparse
import asyncio
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from os import urandom
from typing import Any

import httpx
import msgspec
from uuid_utils import uuid7

from bench.load import Job, Load, post
from bench.metrics.filling import calm
from bench.report import figure, heading, held_to
from bench.stage import database, environment, free_port, serving
from shared.clock import SystemClock
from shared.db import connect, driver, transaction
from shared.sealing import KEY_BYTES, seal
from shared.settings import Settings

RATE = 200.0
DAYS = 180
STATUSES = ("confirmed", "confirmed", "assumed", "denied")
INDUSTRIES = ("製造業", "IT", "小売", "物流", "医療")


def main() -> None:
    """Fill a database, load readiness at a steady pace, back-test a draft on all leads."""
    parser = argparse.ArgumentParser(prog="bench.handoff", description="Deciding among many leads.")
    parser.add_argument("--quick", action="store_true", help="small sizes: rough figures")
    parser.add_argument("--leads", type=int, help="leads (100,000; quick: 10,000)")
    parser.add_argument("--seconds", type=float, help="seconds of the load (30; quick: 5)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    given = parser.parse_args()
    leads = given.leads or (10_000 if given.quick else 100_000)
    measure(leads=leads, seconds=given.seconds or (5.0 if given.quick else 30.0), seed=given.seed)


def measure(*, leads: int, seconds: float, seed: int) -> None:
    """Print the table."""
    with ExitStack() as stack:
        db = stack.enter_context(database())
        url, key, _ = db
        port = free_port()
        asyncio.run(_fill(url, leads, seed))
        calm(db)
        own = environment(url, TASUKI_HANDOFF_PORT=str(port))
        stack.enter_context(serving(["services.handoff"], own, port))
        chance = random.Random(seed)  # noqa: S311 - no secret
        paths = [f"/v1/leads/{_lead_id(chance.randrange(leads))}/readiness" for _ in range(10_000)]
        asked = Job(port=port, prefix="r", key=key, get=paths, rate=RATE, connections=64, seconds=seconds)
        post(msgspec.structs.replace(asked, seconds=2.0))  # plans and caches are warm
        heading(f"handoff: {leads:,} leads")
        _tell("GET readiness, 200 requests/s", post(asked), "10 ms", "50 ms")
        began = time.monotonic()
        report = _backtest(port, key)
        took = time.monotonic() - began
        held_to(
            "back-test of all leads", f"{took:.1f} s", must="<= 60 s for 100,000", note=f"{leads / took:,.0f} leads/s"
        )
        groups = report["groups"]
        figure("leads that the draft would have let pass", f"{groups['would_pass']['leads']:,}")
        with _backtesting(port, key):
            _tell("GET readiness, 200 requests/s, beside a back-test", post(asked))


def _tell(what: str, load: Load, median: str = "", most: str = "") -> None:
    for name, value, must in (("p50", load.p50_ms, median), ("p99", load.p99_ms, most)):
        if must:
            held_to(f"{what}: {name}", f"{value:.1f} ms", must=f"<= {must}")
        else:
            figure(f"{what}: {name}", f"{value:.1f} ms")


def _draft() -> dict[str, Any]:
    label = {"ja": "x", "en": "x"}
    return {
        "criteria": {
            "needs": {"field": "needs", "is": "confirmed", "within_days": 60, "label": label},
            "who": {
                "any": [{"field": "authority", "is": "confirmed"}, {"field": "industry", "in": ["IT", "製造業"]}],
                "label": label,
            },
        },
        "segments": [
            {
                "id": "small",
                "label": label,
                "when": {"field": "employees", "at_most": 300},
                "require": ["needs", "who"],
            },
            {"id": "large", "label": label, "when": {"field": "employees", "at_least": 301}, "require": ["needs"]},
        ],
        "unknown_segment": {"require": ["needs"]},
        "routing": {"small": {"members": ["sato", "suzuki"], "method": "round_robin"}},
        "accept_within": {"hours": 4},
    }


def _question() -> dict[str, Any]:
    today = SystemClock().now().date()
    return {"policy": _draft(), "from": str(today - timedelta(days=90)), "to": str(today)}


def _backtest(port: int, key: str) -> Any:
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/policies/backtest", json=_question(), headers=_bearer(key), timeout=600
    )
    return answer.raise_for_status().json()


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def _backtesting(port: int, key: str) -> Iterator[None]:
    """Back-tests follow one another while the block runs."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            _backtest(port, key)

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(work)
        try:
            yield
        finally:
            ended.set()
            done.result()


def _lead_id(n: int) -> str:
    return f"0190-{n:08}"


async def _fill(url: str, leads: int, seed: int) -> None:
    """Leads as handoff keeps them: a form and two hearings each, begun within half a year."""
    engine = connect(Settings(database_url=url, statement_timeout_s=600), "bench", pool_size=1)
    chance, now = random.Random(seed), SystemClock().now()  # noqa: S311 - no secret
    try:
        for start in range(0, leads, 5_000):
            made = [_Lead(n, chance, now) for n in range(start, min(start + 5_000, leads))]
            async with transaction(engine) as conn:
                raw = await driver(conn)
                for table, columns in _COLUMNS.items():
                    schema, name = table.split(".")
                    rows = [row for lead in made for row in lead.rows(table)]
                    await raw.copy_records_to_table(name, schema_name=schema, columns=columns, records=rows)
        async with transaction(engine) as conn:
            await (await driver(conn)).execute("analyze")
    finally:
        await engine.dispose()


_COLUMNS = {
    "access.lead_keys": ["lead_id", "key"],
    "handoff.leads": ["lead_id", "shard", "known_at", "stage", "stage_at", "events", "last_event_at", "kinds"],
    "handoff.observations": [
        "lead_id", "observation_id", "field", "method", "source", "observed_at", "recorded_at", "value", "status", "by",
        "quote",
    ],
}  # fmt: skip


class _Lead:
    """One lead, drawn."""

    def __init__(self, n: int, chance: random.Random, now: datetime) -> None:
        self.id = _lead_id(n)
        self.key = urandom(KEY_BYTES)
        self.begun = now - timedelta(days=DAYS * chance.random())
        self._said = list(self._draw(n, chance))

    def _draw(self, n: int, chance: random.Random) -> Iterator[tuple[Any, ...]]:
        form = {
            "company_name": f"株式会社ベンチ{n}",
            "employees": chance.choice([5, 120, 800, 2_000, 2_500, 40_000]),
            "industry": chance.choice(INDUSTRIES),
            "usage": "商談管理",
        }
        personal = {"email": f"lead{n}@bench-{n % 5_000}.co.jp", "last_name": "山田", "title": "部長"}
        sealed = {field: seal(value, self.key, self.id) for field, value in personal.items()}
        for field, value in (form | sealed).items():
            yield self._row(field, "form", "website", self.begun, value=value)
        for hearing in range(2):
            at = self.begun + timedelta(days=1 + 9 * hearing + chance.random() * 9)
            for field in ("needs", "authority", "budget"):
                if chance.random() < 0.7:
                    quote = seal("来期に入れ替えたい", self.key, self.id)
                    yield self._row(
                        field, "hearing", "hearing", at, status=chance.choice(STATUSES), by="tanaka", quote=quote
                    )

    def _row(self, field: str, method: str, source: str, at: datetime, **more: Any) -> tuple[Any, ...]:
        value = msgspec.json.encode(more["value"]).decode() if "value" in more else None
        said = (more.get("status"), more.get("by"), more.get("quote"))
        return (self.id, str(uuid7()), field, method, source, at, at, value, *said)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """The lead's rows of a table."""
        if table == "access.lead_keys":
            return [(self.id, self.key)]
        if table == "handoff.leads":
            return [(self.id, hash(self.id) % 12, self.begun, "MQL", self.begun, 3, self.begun, [])]
        return self._said


if __name__ == "__main__":
    main()
