"""The KPIs recomputed from the raw events by another path: plain SQL in DuckDB, sharing no code with the service.

Only the JSON of events goes in. Each KPI is one query over the whole set; nothing is incremental.
"""

from typing import Any

import duckdb

SETUP = """
create table raw (source text, id text, name text, time timestamptz, lead text, data json);
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

VIEWS = """
create or replace view event as
select source, id, name, lead, true_time as time, timezone('Asia/Tokyo', true_time) as local, true_data as d
from truth where alive and name <> 'correction';

create or replace view observation as
select e.lead, o->>'field' as field, o->>'method' as method, o->>'value' as value,
       (o->>'observed_at')::timestamptz as observed_at, o->>'observation_id' as observation_id
from event e, unnest(json_extract(d, '$.observations[*]')) as u(o) where e.name = 'lead-fields';

create or replace view believed as
select lead, field, value from (
    select *, row_number() over (
        partition by lead, field
        order by list_position(case field when 'employees' then ['hearing', 'tool', 'form']
                                          else ['hearing', 'form', 'tool'] end, method),
                 observed_at desc, observation_id desc) as place
    from observation) where place = 1;

create or replace view lead as
select l.lead,
       coalesce(
           case when e.value::int between 1 and 2000 then 'smb' when e.value::int >= 2001 then 'enterprise' end,
           'unknown') as segment,
       coalesce(i.value, '') as industry,
       coalesce(c.campaign, '') as campaign,
       coalesce(o.observed_at, p.declared_at, a.active_at) as created_at,
       coalesce(s.source, '') as origin
from (select distinct lead from event) l
left join believed e on e.lead = l.lead and e.field = 'employees'
left join believed i on i.lead = l.lead and i.field = 'industry'
left join (select lead, min(observed_at) as observed_at from observation group by lead) o on o.lead = l.lead
left join (select lead, min(time) as declared_at from event
           where name = 'lead-created' and coalesce(d->>'via', 'fields') = 'fields' group by lead) p on p.lead = l.lead
left join (select lead, min(time) as active_at from event
           where name in ('call', 'touch', 'opportunity') group by lead) a on a.lead = l.lead
left join (select lead, arg_min(d->>'campaign', (time, source, id)) as campaign from event
           where name in ('lead-created', 'lead-fields') and d->>'campaign' is not null group by lead) c
       on c.lead = l.lead
left join (select lead, arg_min(d->>'source', (time, source, id)) as source from event
           where name = 'lead-created' group by lead) s on s.lead = l.lead;

create or replace view activity as
select e.local, coalesce(d->>'rep', '') as rep, '' as owner,
       case name when 'call' then 'call' else d->>'channel' end as channel,
       l.segment, l.industry, coalesce(nullif(l.campaign, ''), d->>'campaign', '') as campaign, e.source,
       '' as currency, 1 as n, coalesce((d->>'duration_s')::bigint, 0) as total,
       e.name, d->>'direction' as direction, coalesce(d->>'outcome', '') as outcome, e.time, e.id, e.lead
from event e join lead l using (lead) where e.name in ('call', 'touch');

create or replace view second_call as
select * from (
    select *, row_number() over (partition by lead order by time, source, id) as place
    from activity where name = 'call' and direction = 'outbound') where place = 2;

create or replace view new_lead as
select timezone('Asia/Tokyo', created_at) as local, '' as rep, '' as owner, '' as channel, segment, industry, campaign,
       origin as source, '' as currency, 1 as n, 0 as total
from lead where created_at is not null;

create or replace view handoff as
select e.local, d->>'rep' as rep, d->>'owner' as owner, '' as channel, l.segment, l.industry, l.campaign, e.source,
       '' as currency, 1 as n, 0 as total, e.time, e.lead, e.id
from event e join lead l using (lead) where name = 'handoff-created';

create or replace view step as
select d->>'opportunity_id' as opportunity, lead, d->>'status' as status, time, source, id, local,
       d->'amount'->>'value' as amount, d->'amount'->>'currency' as currency, d->>'credited_rep' as credited,
       d->>'owner' as owner
from event where name = 'opportunity';

create or replace view opportunity as
select opportunity, lead,
       arg_min(struct_pack(time := time, source := source, local := local), (time, source, id))
           filter (status = 'created') as created,
       arg_max(struct_pack(time := time, source := source, local := local, status := status), (time, source, id))
           filter (status in ('won', 'lost')) as closed,
       arg_max(amount, (time, source, id)) filter (amount is not null) as amount,
       arg_max(currency, (time, source, id)) filter (amount is not null) as currency,
       arg_max(credited, (time, source, id)) filter (credited is not null) as credited,
       arg_max(owner, (time, source, id)) filter (owner is not null) as owner
from step group by opportunity, lead;

create or replace view placed as
select o.*, l.segment, l.industry, l.campaign, spot.local, spot.source, spot.time, spot.what, spot.status,
       coalesce(o.credited,
           (select arg_max(h.rep, (h.time, h.source, h.id)) from handoff h
            where h.lead = o.lead and h.time <= spot.time),
           '') as rep
from opportunity o join lead l using (lead),
     lateral (
         select o.created.local as local, o.created.source as source, o.created.time as time,
                'created' as what, '' as status
         where o.created is not null
         union all
         select o.closed.local, o.closed.source, o.closed.time, 'closed', o.closed.status where o.closed is not null
     ) spot;

create or replace view sold as
select local, rep, coalesce(owner, '') as owner, '' as channel, segment, industry, campaign, source,
       coalesce(currency, '') as currency, 1 as n,
       coalesce(amount::decimal(20, 2) * (case currency when 'USD' then 100 else 1 end), 0)::bigint as total,
       what, status, epoch_us(time) - epoch_us(created.time) as took
from placed;
"""

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
}
RATIOS = {
    "connect_rate": ("connects", "calls"),
    "conversation_rate": ("conversations", "connects"),
    "closing_rate": ("deals", "closed"),
}
SUMS = ("time_spent", "pipeline_amount", "booked_amount")
MONEY = ("pipeline_amount", "booked_amount", "average_deal_size")

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

    def __init__(self, team: list[tuple[str, str, str, str]]) -> None:
        self._db = duckdb.connect()
        self._db.execute("set timezone = 'UTC'")
        self._db.execute(SETUP)
        self._db.executemany("insert into team values (?, ?, ?, ?)", team)

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
        view, condition = SELECTIONS[kpi]
        cuts = [PERIOD[grain], *(DIMENSION.get(d, d) for d in by), *(["currency"] if kpi in MONEY else [])]
        aggregates = "sum(n)::bigint, sum(total)::bigint"
        if kpi == "sales_cycle_days":
            aggregates += ", avg(took), median(took), quantile_cont(took, 0.9)"
        rows = self._db.execute(
            f"select {', '.join(cuts)}, {aggregates} from {view} s where {condition} group by all having count(*) > 0"  # noqa: S608
        ).fetchall()
        return {row[: len(cuts)]: _value(kpi, row[: len(cuts)], row[len(cuts) :]) for row in rows}


def _value(kpi: str, key: tuple[str, ...], found: tuple[Any, ...]) -> dict[str, Any]:
    n, total, *spread = found
    amount = total / 100 if kpi in MONEY and key[-1] == "USD" else total
    if kpi == "sales_cycle_days":
        mean, median, p90 = (value / 86_400_000_000 for value in spread)
        return {"value": mean, "median": median, "p90": p90, "n": n}
    if kpi == "average_deal_size":
        return {"value": amount / n}
    return {"value": amount if kpi in SUMS else n}


def _ratio(above: dict[str, Any] | None, below: dict[str, Any] | None) -> dict[str, Any]:
    numerator, denominator = (part["value"] if part else 0 for part in (above, below))
    return {"value": numerator / denominator if denominator else None}
