"""A metrics engine on a real database, without HTTP and log: deliver batches, ask for values."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.catalogue.kpis import Catalogue
from services.metrics.contributions.rules import Rules
from services.metrics.fold.fold import Fold
from services.metrics.query import Asker
from services.metrics.question import Grain, Question
from services.metrics.rebuild.steps import rebuild
from shared.config import Config
from shared.config.targets import Target
from shared.consume import Received
from shared.db import driver, transaction
from shared.eventlog.port import Record
from shared.events import TOPIC_OF, Event, encode_data
from shared.partition import partition_of
from shared.settings import Settings

TODAY = date(2030, 1, 1)
"""Later than all events of the tests."""

Cells = dict[tuple[Any, ...], tuple[int, int]]

TABLES = ("events", "leads", "cells", "leads_2", "cells_2", "counters", "meta", "membership", "ties", "groups")


class Foreign(NamedTuple):
    """A log in which others write, too: a lead's events may stand anywhere."""

    partitions: int = 12
    by_key: bool = False


class Numbers:
    """What the metrics consumer drives, driven by a test."""

    def __init__(self, engine: AsyncEngine, config: Config, settings: Settings) -> None:
        self.engine = engine
        self.targets: tuple[Target, ...] = ()
        self.today = TODAY
        self.settings = settings
        self.catalogue: Catalogue = compile_catalogue(config)
        self.rules = Rules(
            settings.zone,
            config.fields,
            config.policies["default"],
            self.catalogue.rank_fields,
            self.catalogue.as_of_event,
        )
        self._team = config.team
        self.fold = Fold(engine, self.rules, config.team, self.catalogue, Foreign())

    async def reset(self) -> None:
        """Forget everything."""
        async with transaction(self.engine) as conn:
            raw = await driver(conn)
            for table in TABLES:
                await raw.execute(f"delete from metrics.{table}")  # noqa: S608
            await raw.execute("update metrics.sides set shown = false, building = false")
            await raw.execute(
                "update metrics.sides set shown = true, fingerprint = $1 where side = 1", self.rules.fingerprint
            )
            await store.set_membership(raw, self._team)
        self.restart()

    def restart(self) -> None:
        """As a new process: what it remembered of a database that is gone, or never came to be, must not help it."""
        self.fold = Fold(self.engine, self.rules, self._team, self.catalogue, Foreign())

    async def take(self, batch: Sequence[Event], shard: int | None = None) -> None:
        """One batch in one transaction, as the consumer hands it over: no identity twice in one call. shard: where the
        events stand; unless given, where they are at home."""
        once = {event.identity: event for event in batch}.values()
        await self.take_received([received(event, shard) for event in once])

    async def take_received(self, batch: Sequence[Received]) -> None:
        """The same with the records as they came."""
        async with transaction(self.engine) as conn:
            fresh = await self.fold.fresh(conn, batch)
            assert not fresh.conflicts
            await self.fold.handle(conn, fresh.new)

    async def rebuild(self) -> None:
        """Make all numbers anew."""
        await rebuild(self.engine, self.rules)

    async def cells(self) -> Cells:
        """Every cell that is not empty."""
        async with transaction(self.engine) as conn:
            raw = await driver(conn)
            rows = await raw.fetch(
                f"""
                select d.key, c.day, c.hour, c.value, sum(c.n)::bigint as n, sum(c.total) as total
                from {await store.shown_cells(raw)} c join metrics.dimensions d on d.id = c.dimensions
                group by 1, 2, 3, 4 having sum(c.n) <> 0 or sum(c.total) <> 0
                """  # noqa: S608
            )
        return {tuple(row[:4]): (row["n"], int(row["total"])) for row in rows}

    async def digests(self) -> dict[str, bytes]:
        """The digest of every lead."""
        async with transaction(self.engine) as conn:
            raw = await driver(conn)
            shown, _ = await store.sides(raw)
            rows = await raw.fetch(f"select lead, state from {shown.leads}")  # noqa: S608
        return {row["lead"]: row["state"] for row in rows}

    async def ask(
        self,
        kpi: str,
        grain: Grain = "all",
        by: Iterable[str] = (),
        days: tuple[date | None, date | None] = (None, None),
    ) -> list[dict[str, Any]]:
        """The rows of a KPI."""
        found = self.catalogue.get(kpi)
        assert found is not None
        return await self.answer(Question(found, grain, *days, tuple(by)))

    async def answer(self, question: Question) -> list[dict[str, Any]]:
        """The rows of a question."""
        async with transaction(self.engine) as conn:
            raw = await driver(conn)
            asker = Asker(
                raw, self.today, self.settings.fiscal_year_start, self.targets, cells=await store.shown_cells(raw)
            )
            return await asker.answer(question)


def received(event: Event, shard: int | None = None) -> Received:
    """The event as it comes from the log."""
    partition = partition_of(event.key, 12) if shard is None else shard
    record = Record(TOPIC_OF[event.name], partition, 0, event.key, (), encode_data(event.data), event.recorded_at)
    return Received(record, event)
