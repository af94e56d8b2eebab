"""Counts every KPI again from the raw events: plain SQL over all of them, nothing incremental.

It shares no code with the engine that keeps the live numbers (import-linter checks it). What events mean is in sql/,
one file an idea; it becomes one table `fact.<name>` for each kind of fact, and a KPI is a query over those, made from
its entry in kpis.yaml: see answers.py.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import msgspec
from babel.numbers import get_currency_precision

from services.metrics.verify.answers import Answers, Kpi
from services.metrics.verify.segments import folded, segment_table
from shared.config import Config
from shared.events import Undecodable, decode_data, encode_data, parse_time
from shared.money import CURRENCIES

MEMORY = "1GB"
"""What DuckDB may hold in memory; the rest goes to its file."""
TABLES = ("lead", "standing", "activity", "handoff", "appointment", "opportunity", "contract")
MEASURES = ("value", "numerator", "denominator", "median", "p90", "n")

Rows = dict[tuple[str, ...], dict[str, Any]]
"""(period, *by, currency of money) -> the measures that the KPI has."""


class RawEvent(NamedTuple):
    """An event as it stands in the log. `data`: JSON in the form in which the log's events are written."""

    source: str
    id: str
    name: str
    time: str
    lead: str
    data: str


class Recount:
    """The truth about a set of events. `database`: a file that DuckDB may make; None: memory alone."""

    def __init__(self, config: Config, zone: ZoneInfo, fiscal_year_start: int, database: Path | None = None) -> None:
        self._config = config
        self._zone = str(zone)
        self.db = duckdb.connect(":memory:" if database is None else str(database))
        self.db.execute(f"set memory_limit = '{MEMORY}'")
        self.db.execute("set timezone = 'UTC'")
        for statement in _statements("setup"):
            self.db.execute(statement)
        self._configure()
        document = config.kpis.data or {}
        kpis = msgspec.convert(document.get("kpis", []), list[Kpi])
        self._facts: dict[str, dict[str, str]] = {}
        self.answers = Answers({kpi.id: kpi for kpi in kpis}, fiscal_year_start, self._facts)

    def _configure(self) -> None:
        document = self._config.kpis.data or {}
        self.insert("currency", [(code, 10 ** get_currency_precision(code)) for code in CURRENCIES])
        self.insert("field", [(field.id, field.type, list(field.precedence)) for field in self._config.fields])
        self.insert("rank_field", [(field,) for field in document.get("rank_fields", ())])
        self.insert("team", [(m.id, m.team, str(m.from_), str(m.to)) for m in self._config.team.members])
        targets = []
        for target in self._config.targets:
            whose = {"rep": target.member, "team": target.team, "segment": target.segment}
            dimension, member = next(((d, m) for d, m in whose.items() if m is not None), ("", ""))
            targets.append((target.kpi, target.period, dimension, member, target.currency or "", float(target.value)))
        self.insert("target", targets)

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows to a table; column by column, which is much faster than row by row."""
        if not rows:
            return
        kinds = self.db.execute(
            "select data_type from duckdb_columns() where table_name = ? order by column_index", [table]
        ).fetchall()
        given = ", ".join(
            f"unnest(${n}::varchar[]{'[]' if kind.endswith('[]') else ''})::{kind}"
            for n, (kind,) in enumerate(kinds, 1)
        )
        columns = [list(column) for column in zip(*rows, strict=True)]
        self.db.execute(f"insert into {table} select {given}", columns)

    def forget(self) -> None:
        """Drop all events."""
        self.db.execute("delete from raw")

    def learn(self, events: Sequence[RawEvent]) -> None:
        """Add events."""
        self.insert("raw", events)

    def drop_duplicates(self) -> tuple[int, int]:
        """Keep each identity once; how many events went, and how many are left."""
        ((before,),) = self.db.execute("select count(*) from raw").fetchall()
        self.db.execute("create or replace table once as select distinct on (source, id) * from raw")
        self.db.execute("delete from raw")
        self.db.execute("insert into raw select * from once")
        self.db.execute("drop table once")
        ((after,),) = self.db.execute("select count(*) from raw").fetchall()
        return before - after, after

    def count(self) -> None:
        """Make the facts of all events; no identity may be there twice."""
        self._settle_corrections()
        self._run("truth")
        self._run("merge")
        for name in TABLES:
            self._run(name)
            if name == "lead":
                self._fold("believed")
                self.db.execute(segment_table(self._config.policies["default"], self._config.fields))
        self._look_back()
        for fact, column, kind in self.db.execute(
            "select table_name, column_name, data_type from duckdb_columns() where schema_name = 'fact'"
        ).fetchall():
            self._facts.setdefault(fact, {})[column] = kind

    def _look_back(self) -> None:
        """Facts with what was known of the lead at their time, where a KPI asks for them."""
        wanted = {kpi.facts["name"]: kpi.fact for kpi in self.answers.kpis.values() if kpi.as_of == "event"}
        if not wanted:
            return
        self._run("past")
        self._fold("believed_then")
        self.db.execute(segment_table(self._config.policies["default"], self._config.fields, "_then"))
        self._run("as_of_event")
        for name, then in wanted.items():
            # A call may name a campaign for itself, which counts where its lead has none.
            campaign = "coalesce(nullif(p.campaign, ''), f.own_campaign)" if name == "activity" else "p.campaign"
            self.db.execute(
                f"create or replace table fact.{then} as "
                f"select f.* replace (coalesce(p.segment, 'unknown') as segment, p.industry as industry, "
                f"{campaign} as campaign) "
                f"from fact.{name} f asof left join past p on p.lead = f.lead and f.time >= p.since"
            )

    def answer(self, kpi: str, grain: str, by: Sequence[str], today: date) -> Rows:
        """Every row of a KPI; stocks and trailing means as of `today`."""
        rows = self.db.execute(self.answers.sql(kpi, grain, by, today)).fetchall()
        return {tuple(key): dict(zip(MEASURES, values, strict=True)) for key, *values in rows}

    def _run(self, name: str) -> None:
        for statement in _statements(name):
            self.db.execute(statement, {"zone": self._zone} if "$zone" in statement else None)

    def _settle_corrections(self) -> None:
        """Decide of every correction whether it holds and what it says, those that nothing corrects first."""
        self.db.execute("""
            create or replace table correction as
            select source, id, data->'corrects'->>'source' as target_source, data->'corrects'->>'id' as target_id,
                   time as true_time, data as true_data, data->>'action' as action, false as settled, true as alive,
                   null::timestamptz as new_time, null::json as new_data
            from raw where name = 'correction'
        """)
        while True:
            self._run("corrections")
            ready = self.db.execute("""
                select r.source, r.id, r.alive, r.true_time::varchar, r.true_data::varchar, r.true_data->>'action',
                       t.name, (r.true_data->'data')::varchar
                from ready r left join raw t on t.source = r.target_source and t.id = r.target_id
            """).fetchall()
            if not ready:
                return
            self.db.execute("create or replace temp table settled as select * from correction limit 0")
            rows = [
                (source, id_, "", "", time, data, action, True, alive, *_replacement(action, name, given))
                for source, id_, alive, time, data, action, name, given in ready
            ]
            self.insert("settled", rows)
            self.db.execute("""
                update correction c set settled = true, alive = s.alive, true_time = s.true_time,
                    true_data = s.true_data, action = s.action, new_time = s.new_time, new_data = s.new_data
                from settled s where s.source = c.source and s.id = c.id
            """)

    def _fold(self, believed: str) -> None:
        """The texts of believed values, of a table of them, as conditions compare them."""
        self.db.execute("create or replace table folding (value varchar, folded varchar, items varchar[])")
        found = self.db.execute(
            f"select distinct value::varchar from {believed} where json_type(value) in ('VARCHAR', 'ARRAY')"
        ).fetchall()
        rows = []
        for (text,) in found:
            value = json.loads(text)
            is_list = isinstance(value, list)
            rows.append((text, None if is_list else folded(value), [folded(v) for v in value] if is_list else []))
        self.insert("folding", rows)


def _replacement(action: str, name: str | None, given: str | None) -> tuple[str | None, str | None]:
    """New time (None: as it was) and new data of what a correction corrects; no data when they do not fit it."""
    if action != "replace" or name is None:
        return None, None
    data = json.loads(given or "{}")
    try:
        moment = data.get("occurred_at")
        if moment is not None and not isinstance(moment, str):
            return None, None
        time = None if moment is None else parse_time(moment).isoformat()
        return time, encode_data(decode_data(name, json.dumps(data).encode())).decode()
    except Undecodable:
        return None, None


def _statements(name: str) -> Iterable[str]:
    text = (files("services.metrics.verify") / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return [part for part in text.split(";\n") if part.strip()]
