-- Opportunities: created, judged, closed, how long that took, and what stands open; and leads by what became of them.
create or replace table step as
select d->>'opportunity_id' as opportunity, lead, d->>'status' as status, time, source, id, local, d->'amount' as amount,
       d->>'credited_rep' as credited, d->>'owner' as owner, nullif(d->>'product', '') as product
from event where name = 'opportunity' and lead <> '';

create or replace table opportunity as
select opportunity, arg_max(lead, (time, source, id)) as lead, -- of several leads the one told of last
       arg_min(struct_pack(time := time, source := source, local := local), (time, source, id))
           filter (status = 'created') as created,
       arg_max(struct_pack(time := time, source := source, local := local, status := status), (time, source, id))
           filter (status in ('valid', 'invalid')) as judged,
       arg_max(struct_pack(time := time, source := source, local := local, status := status), (time, source, id))
           filter (status in ('won', 'lost')) as closed,
       arg_max(amount, (time, source, id)) filter (amount is not null) as amount,
       arg_max(credited, (time, source, id)) filter (credited is not null) as credited,
       arg_max(owner, (time, source, id)) filter (owner is not null) as owner,
       arg_max(product, (time, source, id)) filter (product is not null) as product
from step group by opportunity;

create or replace table placed as
select o.opportunity, o.lead, o.created, o.owner, o.product, l.segment, l.industry, l.campaign, spot.local, spot.source,
       spot.time, spot.what, spot.status as outcome, o.amount->>'currency' as currency, 1 as n,
       coalesce(minor(o.amount), 0) as total,
       coalesce(o.credited,
           (select arg_max(h.rep, (h.time, h.source, h.id)) from fact.handoff h
            where h.lead = o.lead and h.time <= spot.time)) as rep
from opportunity o join lead l using (lead),
     lateral (
         select o.created.local, o.created.source, o.created.time, 'created' as what, '' as status
         where o.created is not null
         union all
         select o.judged.local, o.judged.source, o.judged.time, 'judged', o.judged.status where o.judged is not null
         union all
         select o.closed.local, o.closed.source, o.closed.time, 'closed', o.closed.status where o.closed is not null
     ) spot(local, source, time, what, status);

create or replace table fact.opportunity as select * from placed where what = 'created';
create or replace table fact.validity as select * from placed where what = 'judged';
create or replace table fact.close as select * from placed where what = 'closed';
create or replace table fact.sales_cycle as
select * replace (0 as total, '' as outcome), epoch_us(time) - epoch_us(created.time) as took
from fact.close where outcome = 'won' and created is not null;

-- What changes on each day: open or not at that day's end, against the day before.
create or replace table fact.open_pipeline as
with looked as (
    select p.*, s.day,
           s.day >= p.local::date
           and not exists (select 1 from step c where c.opportunity = p.opportunity
                           and c.status in ('won', 'lost') and c.local::date <= s.day)
           and coalesce((select arg_max(c.status, (c.time, c.source, c.id)) from step c
                         where c.opportunity = p.opportunity
                         and c.status in ('valid', 'invalid') and c.local::date <= s.day), '') <> 'invalid' as is_open
    from fact.opportunity p
    join (select distinct opportunity, local::date as day from step) s on s.opportunity = p.opportunity
),
changed as (
    select *, is_open::int
        - coalesce(lag(is_open::int) over (partition by opportunity order by day), 0) as sign from looked
)
-- The team is that of the day on which the opportunity was created, as for all its other dimensions.
select day as local, local::date as team_day, rep, owner, product, segment, industry, campaign, source, currency,
       sign as n, sign * total as total, time, lead
from changed where sign <> 0;

create or replace table fact.lead as
select timezone($zone, l.created_at) as local, l.segment, l.industry, l.campaign, l.origin as source, 1 as n, 0 as total,
       l.created_at as time, lead,
       concat_ws('+', case when o.created then 'opportunity' end, case when o.won then 'deal' end) as outcome
from lead l
left join (select lead, bool_or(created is not null) as created, bool_or(coalesce(closed.status = 'won', false)) as won
           from opportunity group by lead) o using (lead)
where l.created_at is not null;
