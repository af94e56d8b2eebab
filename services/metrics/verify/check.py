"""Compares the live numbers with a recount from the log up to the same positions."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from services.metrics import store
from services.metrics.catalogue.compile import compile_catalogue
from services.metrics.query import Asker
from services.metrics.verify.live import Answered, Asked, Live, digest, questions
from services.metrics.verify.recount import MEASURES, RawEvent, Recount
from shared.config import Config
from shared.db import driver, snapshot
from shared.eventlog.port import EventLog, Record, TopicPartition
from shared.events import Undecodable, encode_data, from_record
from shared.settings import Settings

BATCH = 5_000
LISTED = 1_000
"""Differences that are listed at most; all are counted."""

Tell = Callable[[str, int, int], None]
"""Told of progress: what is being done, how much of it is, and how much there is (0: not known)."""

TABLES = """
    create table live (kpi varchar, grain varchar, key varchar[], value double, numerator double, denominator double,
                       median double, p90 double, n double);
    create table logged (source varchar, id varchar, digest varchar);
    create table stored (source varchar, id varchar, digest varchar);
    create macro differs(a, b) as
        a is distinct from b and coalesce(abs(a - b) > 1e-12 * greatest(abs(a), abs(b)), true);
"""
"""A mean may differ in the last bit by the order in which it was added up; nothing else may."""

EVENTS = """
    select source || '/' || id, l.digest, s.digest
    from (select distinct * from logged) l full join stored s using (source, id)
    where l.digest is distinct from s.digest order by 1
"""


@dataclass(frozen=True)
class Difference:
    """Something that is not the same. `where`: the event, or the names and values of the cell."""

    what: str
    where: str
    live: str
    recounted: str


@dataclass
class Report:
    """What was compared and what differs. `differences` holds the first LISTED of `different`."""

    kpis: int = 0
    cells: int = 0
    events: int = 0
    duplicates: int = 0
    undecodable: int = 0
    set_aside: int = 0
    different: int = 0
    differences: list[Difference] = field(default_factory=list)

    def differ(self, difference: Difference) -> None:
        """Note a difference."""
        self.different += 1
        if len(self.differences) < LISTED:
            self.differences.append(difference)


async def verify(
    engine: AsyncEngine, log: EventLog, config: Config, settings: Settings, today: date, tell: Tell
) -> Report:
    """Recount everything and compare. Consuming goes on meanwhile: positions and answers are those of one moment.

    today: the business day, at which stocks end. Raises DatabaseUnavailable, LogUnavailable.
    """
    with tempfile.TemporaryDirectory(prefix="tasuki-verify-") as folder:
        recount = Recount(config, settings.zone, settings.fiscal_year_start, Path(folder) / "recount.duckdb")
        try:
            recount.db.execute(TABLES)
            check = _Check(recount, config, settings, today, tell)
            await check.take_live(engine)
            await check.read_log(log)
            return check.compare()
        finally:
            recount.db.close()


class _Check:
    def __init__(self, recount: Recount, config: Config, settings: Settings, today: date, tell: Tell) -> None:
        self._recount = recount
        self._config = config
        self._settings = settings
        self._today = today
        self._tell = tell
        self._report = Report()
        self._asked: list[Asked] = questions(list(compile_catalogue(config)))
        self._positions: Mapping[TopicPartition, int] = {}
        self._set_aside: set[tuple[str, int, int]] = set()

    async def take_live(self, engine: AsyncEngine) -> None:
        """Everything that the live numbers say, at one moment."""
        start, targets = self._settings.fiscal_year_start, self._config.targets
        async with snapshot(engine) as conn:
            raw = await driver(conn)
            await raw.execute("set local statement_timeout = 0")
            await raw.execute("set local idle_in_transaction_session_timeout = 0")
            cells = await store.shown_cells(raw)
            live = Live(raw, Asker(raw, self._today, start, targets, cells=cells), cells, self._today)
            self._positions = await live.positions()
            self._set_aside = await live.set_aside()
            stretches = await live.stretches()
            answered: list[Answered] = []
            for done, asked in enumerate(self._asked):
                self._tell("asking for the live numbers", done, len(self._asked))
                async for rows in live.answers(asked, stretches):
                    answered += rows
                    if len(answered) >= BATCH:
                        self._recount.insert("live", answered)
                        answered = []
            self._recount.insert("live", answered)
            done = 0
            async for stored in live.stored(BATCH):
                self._recount.insert("stored", stored)
                done += len(stored)
                self._tell("reading the stored events", done, 0)

    async def read_log(self, log: EventLog) -> None:
        """All events of the log that are in the numbers by their positions."""
        done, total = 0, sum(self._positions.values())
        for at, position in sorted(self._positions.items()):
            offset = 0
            while offset < position:
                records = [r for r in await log.read(at, offset, BATCH) if r.offset < position]
                if not records:
                    where = f"{at.topic}/{at.partition}"
                    self._report.differ(Difference("position", where, str(position), f"the log ends at {offset}"))
                    break
                self._take(records)
                done += records[-1].offset + 1 - offset
                offset = records[-1].offset + 1
                self._tell("reading the log", done, total)

    def _take(self, records: Sequence[Record]) -> None:
        events: list[RawEvent] = []
        digests: list[tuple[str, str, str]] = []
        for record in records:
            if (record.topic, record.partition, record.offset) in self._set_aside:
                self._report.set_aside += 1
                continue
            try:
                event = from_record(record)
            except Undecodable:
                self._report.undecodable += 1
                continue
            data = encode_data(event.data)
            source, id_, name, time = event.source, event.id, event.name, event.time
            events.append(RawEvent(source, id_, name, time.isoformat(), event.subject, data.decode()))
            digests.append((source, id_, digest(name, time, data)))
        self._recount.learn(events)
        self._recount.insert("logged", digests)

    def compare(self) -> Report:
        """Recount, and list what differs."""
        report, db = self._report, self._recount.db
        report.duplicates, report.events = self._recount.drop_duplicates()
        for where, logged, stored in db.execute(EVENTS).fetchall():
            told = "other content" if logged and stored else "there"
            report.differ(Difference("event", where, told if stored else "missing", told if logged else "missing"))
        self._tell("counting again", 0, 0)
        self._recount.count()
        for done, asked in enumerate(self._asked):
            self._tell("comparing", done, len(self._asked))
            self._compare(asked)
        report.kpis = len({kpi.id for kpi, _, _ in self._asked})
        return report

    def _compare(self, asked: Asked) -> None:
        kpi, grain, by = asked
        db = self._recount.db
        differs = " or ".join(f"differs(l.{m}, e.{m})" for m in MEASURES)
        pairs = ", ".join(f"l.{m}, e.{m}" for m in MEASURES)
        width = 1 + len(by) + kpi.money
        expected = self._recount.answers.sql(kpi.id, grain, by, self._today)
        compared = (  # the names are of our own, and expected comes from answers.py
            "create or replace temp table compared as "
            "select coalesce(l.key, e.key) as key, l.key is not null as is_live, e.key is not null as is_recounted, "
            f"{differs} as differs, {pairs} from (select * from live where kpi = ? and grain = ? and len(key) = ?) l "
            f"full join ({expected}) e on l.key = e.key"
        )
        db.execute(compared, [kpi.id, grain, width])
        ((cells,),) = db.execute("select count(*) from compared where is_live").fetchall()
        self._report.cells += cells
        names = ("period", *by, *(["currency"] if kpi.money else []))
        for key, is_live, is_recounted, _, *values in db.execute(
            "select * from compared where not is_live or not is_recounted or differs order by key"
        ).fetchall():
            where = ", ".join(f"{name}={value}" for name, value in zip(names, key, strict=True))
            live = _shown(values[::2]) if is_live else "missing"
            recounted = _shown(values[1::2]) if is_recounted else "missing"
            self._report.differ(Difference(kpi.id, where, live, recounted))


def _shown(measures: Sequence[float | None]) -> str:
    given = [f"{name} {m:.15g}" for name, m in zip(MEASURES, measures, strict=True) if m is not None]
    return ", ".join(given) or "null"
