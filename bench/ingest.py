"""The door: activities stored durably, against an echo that stores nothing and against a transaction a request."""

import asyncio
from contextlib import ExitStack

from sqlalchemy import text

from bench.apps import Base
from bench.load import Job, Load
from bench.report import figure, heading, median, ratio, spread
from bench.stage import database, environment, free_port, serving
from bench.wrk import post
from shared.db import connect, transaction
from shared.settings import Settings

BATCH = 1000


def measure(*, rounds: int, seconds: float, seed: int) -> None:
    """Print the table. One round: echo, transactions, ingest one by one, ingest by the thousand, echo."""
    with ExitStack() as stack:
        url, key, _ = stack.enter_context(database())
        asyncio.run(_prepare(url))
        port = {name: free_port() for name in ("echo", "transactions", "ingest")}
        for name in ("echo", "transactions"):
            stack.enter_context(serving(["bench.apps", name, str(port[name])], environment(url), port[name]))
        own = environment(url, TASUKI_INGEST_PORT=str(port["ingest"]))
        stack.enter_context(serving(["services.ingest"], own, port["ingest"]))

        post(Job(port=port["ingest"], key=key, prefix="leads", batch=BATCH, connections=4, seconds=1, seed=seed))
        loads: dict[str, list[Load]] = {}
        for n in range(rounds):
            for name, target, batch in (
                ("echo first", "echo", 1),
                ("transactions", "transactions", 1),
                ("one", "ingest", 1),
                ("thousand", "ingest", BATCH),
                ("echo last", "echo", 1),
            ):
                job = Job(
                    port=port[target], key=key, prefix=f"{name}-{n}", batch=batch, seconds=seconds, seed=seed,
                    connections=64 if batch == 1 else 8,
                )  # fmt: skip
                loads.setdefault(name, []).append(post(job))
    _tell(loads)


async def _prepare(url: str) -> None:
    engine = connect(Settings(database_url=url), "bench", pool_size=2)
    try:
        async with transaction(engine) as conn:
            await conn.execute(text("create schema bench"))
            await conn.run_sync(Base.metadata.create_all)
    finally:
        await engine.dispose()


def _tell(loads: dict[str, list[Load]]) -> None:
    heading("ingest: POST /v1/activities, 64 connections                                events/s     p50 / p99 ms")
    for name, what in (
        ("echo first", "Starlette echo, nothing stored (first)"),
        ("one", "ingest, one event a request"),
        ("thousand", f"ingest, {BATCH} events a request (8 connections)"),
        ("transactions", "FastAPI + SQLAlchemy, a transaction a request"),
        ("echo last", "Starlette echo, nothing stored (last)"),
    ):
        rounds = loads[name]
        events_s = [load.events_s for load in rounds]
        p50, p99 = median([load.p50_ms for load in rounds]), median([load.p99_ms for load in rounds])
        figure(what, f"{median(events_s):,.0f}", f"{p50:.1f} / {p99:.1f}  ({spread(events_s)})")
    echo = median([load.events_s for name in ("echo first", "echo last") for load in loads[name]])
    speed = {name: median([load.events_s for load in rounds]) for name, rounds in loads.items()}
    ratio("one event a request / echo", speed["one"] / echo, must=">= 0.25", aim=">= 0.6")
    ratio(
        f"{BATCH} events a request / a transaction a request", speed["thousand"] / speed["transactions"],
        must=">= 20", aim=">= 60",
    )  # fmt: skip
