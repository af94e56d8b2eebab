"""The KPIs recomputed from the raw events by another path: plain SQL in DuckDB, sharing no code with the service.

Only the JSON of events goes in. Each KPI is one query over the whole set; nothing is incremental.
"""

from pathlib import Path
from typing import Any

import duckdb

SETUP = """
create table raw (source text, id text, name text, time timestamptz, lead text, data json);
create table precedence (field text, precedence text[]);
create table team (rep text, team text, first date, last date);
"""

# Corrections reach one level deeper with each round; the histories of the tests have fewer levels than rounds.
TRUTH_START = """
create or replace table truth as
select *, time as true_time, data as true_data, true as alive from raw
"""
TRUTH_ROUND = """
create or replace table truth as
with holding as (
    select data->'corrects'->>'source' as target_source, data->'corrects'->>'id' as target_id,
           true_data->>'action' as action, true_data->'data' as new_data,
           row_number() over (
               partition by data->'corrects'->>'source', data->'corrects'->>'id'
               order by true_time desc, source desc, id desc
           ) as place
    from truth where name = 'correction' and alive
)
select r.*,
       case when h.action = 'replace' then coalesce((h.new_data->>'occurred_at')::timestamptz, r.time) else r.time end
           as true_time,
       case when h.action = 'replace' then h.new_data else r.data end as true_data,
       coalesce(h.action, '') <> 'void' as alive
from raw r left join holding h on h.target_source = r.source and h.target_id = r.id and h.place = 1
"""

VIEWS = (Path(__file__).with_suffix(".sql")).read_text(encoding="utf-8")

SELECTIONS = {
    "calls": ("activity", "name = 'call' and direction = 'outbound'"),
    "connects": ("activity", "name = 'call' and direction = 'outbound' and outcome in ('gatekeeper', 'conversation')"),
    "conversations": ("activity", "name = 'call' and direction = 'outbound' and outcome = 'conversation'"),
    "touches": ("activity", "direction = 'outbound' and outcome not in ('opened', 'clicked', 'replied', 'bounced')"),
    "time_spent": ("activity", "true"),
    "second_calls": ("second_call", "true"),
    "leads": ("new_lead", "true"),
    "handoffs": ("handoff", "true"),
    "opportunities": ("sold", "what = 'created'"),
    "pipeline_amount": ("sold", "what = 'created' and currency <> ''"),
    "deals": ("sold", "what = 'closed' and status = 'won'"),
    "booked_amount": ("sold", "what = 'closed' and status = 'won' and currency <> ''"),
    "closed": ("sold", "what = 'closed'"),
    "average_deal_size": ("sold", "what = 'closed' and status = 'won' and currency <> ''"),
    "sales_cycle_days": ("sold", "what = 'closed' and status = 'won' and took is not null"),
    "replies": ("activity", "name = 'touch' and outcome = 'replied'"),
    "days_to_second_action": ("second_action", "true"),
    "speed_to_lead": ("first_response", "true"),
    "stage_entries": ("stage_entry", "true"),
    "appointments": ("appointment", "true"),
    "appointment_points": ("appointment", "true"),
    "handoffs_accepted": ("decision", "accepted"),
    "handoffs_decided": ("decision", "true"),
    "valid_opportunities": ("judged", "status = 'valid'"),
    "leads_with_opportunity": ("new_lead", "has_opportunity"),
    "leads_with_deal": ("new_lead", "has_deal"),
    "spend": ("spending", "true"),
    "new_customers": ("new_customer", "true"),
}
STOCKS = {"arr": "standing_arr", "active_companies": "standing_company", "open_pipeline_amount": "standing_pipeline"}
DURATIONS = {"sales_cycle_days": 86_400_000_000, "days_to_second_action": 86_400_000_000, "speed_to_lead": 1_000_000}
RATIOS = {
    "connect_rate": ("connects", "calls"),
    "conversation_rate": ("conversations", "connects"),
    "closing_rate": ("deals", "closed"),
    "appointment_rate": ("appointments", "conversations"),
    "handoff_acceptance_rate": ("handoffs_accepted", "handoffs_decided"),
    "lead_to_opportunity_rate": ("leads_with_opportunity", "leads"),
    "lead_to_deal_rate": ("leads_with_deal", "leads"),
    "call_to_appointment_rate": ("appointments", "calls"),
    "appointment_to_opportunity_rate": ("opportunities", "appointments"),
    "opportunity_to_deal_rate": ("deals", "opportunities"),
}
SUMS = ("time_spent", "pipeline_amount", "booked_amount", "spend", "appointment_points", "arr", "open_pipeline_amount")
MONEY = ("pipeline_amount", "booked_amount", "average_deal_size", "spend", "arr", "open_pipeline_amount")
LAST_DAY = "2027-01-31"

PERIOD = {
    "day": "strftime(local, '%Y-%m-%d')",
    "week": "strftime(local, '%G-W%V')",
    "month": "strftime(local, '%Y-%m')",
    "quarter": "strftime(local, '%Y') || '-Q' || quarter(local)",
    "fiscal_year": "'FY' || case when month(local) >= 4 then year(local) else year(local) - 1 end",
    "all": "'all'",
}
DIMENSION = {
    "team": "coalesce((select team from team t where t.rep = s.rep and s.local::date between t.first and t.last), '')",
    "hour": "strftime(local, '%H')",
    "ampm": "case when hour(local) < 12 then 'AM' else 'PM' end",
    "weekday": "isodow(local)::text",
}

Rows = dict[tuple[str, ...], dict[str, Any]]


class Oracle:
    """The truth about a set of events."""

    def __init__(self, team: list[tuple[str, str, str, str]], precedence: list[tuple[str, list[str]]]) -> None:
        self._db = duckdb.connect()
        self._db.execute("set timezone = 'UTC'")
        self._db.execute(SETUP)
        self._db.execute(
            "create table calendar as "
            f"select unnest(generate_series(date '2024-01-01', date '{LAST_DAY}', interval 1 day))::date as day"
        )
        self._db.executemany("insert into team values (?, ?, ?, ?)", team)
        self._db.executemany("insert into precedence values (?, ?)", precedence)

    def learn(self, events: list[tuple[str, str, str, str, str, str]]) -> None:
        """Replace all events by these: (source, id, name, time, lead, data as JSON)."""

        self._db.execute("delete from raw")
        self._db.executemany("insert into raw values (?, ?, ?, ?, ?, ?)", events)
        self._db.execute(TRUTH_START)
        for _ in range(6):
            self._db.execute(TRUTH_ROUND)
        self._db.execute(VIEWS)

    def answer(self, kpi: str, grain: str, by: list[str]) -> Rows:
        """(period, *by, currency of money) -> value and what it is made of."""
        if kpi in RATIOS:
            above, below = (self.answer(part, grain, by) for part in RATIOS[kpi])
            return {key: _ratio(above.get(key), below.get(key)) for key in above.keys() | below.keys()}
        if kpi in STOCKS:
            return self._stock(kpi, grain, by)
        view, condition = SELECTIONS[kpi]
        cuts = [PERIOD[grain], *(DIMENSION.get(d, d) for d in by), *(["currency"] if kpi in MONEY else [])]
        aggregates = "sum(n)::bigint, sum(total)::bigint"
        if kpi in DURATIONS:
            aggregates += ", avg(took), median(took), quantile_cont(took, 0.9)"
        rows = self._db.execute(
            f"select {', '.join(cuts)}, {aggregates} from {view} s where {condition} group by all having count(*) > 0"  # noqa: S608
        ).fetchall()
        return {row[: len(cuts)]: _value(kpi, row[: len(cuts)], row[len(cuts) :]) for row in rows}

    def _stock(self, kpi: str, grain: str, by: list[str]) -> Rows:
        """What stands at the end of each period, from the first day on which anything stood."""
        cuts = [*(DIMENSION.get(d, d) for d in by), *(["currency"] if kpi in MONEY else [])]
        keys = "".join(f"{cut} as key{n}, " for n, cut in enumerate(cuts))
        names = "".join(f"key{n}, " for n in range(len(cuts)))
        same = " and ".join(["true", *(f"a.key{n} = b.key{n}" for n in range(len(cuts)))])
        rows = self._db.execute(
            f"""
            with standing as (
                select day, {keys} sum(n)::bigint as n, sum(total)::bigint as total
                from (select *, day::timestamp as local from {STOCKS[kpi]}) s where currency <> '' or {kpi not in MONEY}
                group by all),
            key as (select {names} min(day) as first from standing where n <> 0 or total <> 0 group by all),
            period as (select {PERIOD[grain]} as label, day from (select *, day::timestamp as local from calendar)),
            ending as (select label, max(day) as day from period group by label)
            select e.label, {"".join(f"a.key{n}, " for n in range(len(cuts)))} coalesce(b.n, 0), coalesce(b.total, 0)
            from ending e join key a on a.first <= e.day left join standing b on b.day = e.day and {same}
            """  # noqa: S608
        ).fetchall()
        width = 1 + len(cuts)
        return {row[:width]: _value(kpi, row[:width], row[width:]) for row in rows}


def _value(kpi: str, key: tuple[str, ...], found: tuple[Any, ...]) -> dict[str, Any]:
    n, total, *spread = found
    amount = total / 100 if kpi in MONEY and key[-1] == "USD" else total
    if kpi in DURATIONS:
        mean, median, p90 = (value / DURATIONS[kpi] for value in spread)
        return {"value": mean, "median": median, "p90": p90, "n": n}
    if kpi == "average_deal_size":
        return {"value": amount / n}
    return {"value": amount if kpi in SUMS else n}


def _ratio(above: dict[str, Any] | None, below: dict[str, Any] | None) -> dict[str, Any]:
    numerator, denominator = (part["value"] if part else 0 for part in (above, below))
    return {"value": numerator / denominator if denominator else None}
