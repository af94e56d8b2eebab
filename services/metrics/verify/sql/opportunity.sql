-- Opportunities: created, judged, closed, how long that took, and what stands open; and leads by what became of them.
create or replace table step as
select d->>'opportunity_id' as opportunity, lead, d->>'status' as status, time, source, id, local, d->'amount' as amount,
       d->>'credited_rep' as credited, d->>'owner' as owner, nullif(d->>'product', '') as product
from event where name = 'opportunity' and lead <> '';

create or replace table opportunity as
select opportunity, arg_max(lead, (time, source, id)) as lead, -- of several leads the one told of last
       arg_min(struct_pack(time := time, source := source, id := id, local := local), (time, source, id))
           filter (status = 'created') as created,
       arg_max(struct_pack(time := time, source := source, id := id, local := local, status := status),
               (time, source, id))
           filter (status in ('valid', 'invalid')) as judged,
       arg_max(struct_pack(time := time, source := source, id := id, local := local, status := status),
               (time, source, id))
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
            where h.lead = o.lead and (h.time, h.source, h.id) < (spot.time, spot.source, spot.id))) as rep
from opportunity o join lead l using (lead),
     lateral (
         select o.created.local, o.created.source, o.created.id, o.created.time, 'created' as what, '' as status
         where o.created is not null
         union all
         select o.judged.local, o.judged.source, o.judged.id, o.judged.time, 'judged', o.judged.status
         where o.judged is not null
         union all
         select o.closed.local, o.closed.source, o.closed.id, o.closed.time, 'closed', o.closed.status
         where o.closed is not null
     ) spot(local, source, id, time, what, status);

create or replace table fact.opportunity as select * from placed where what = 'created';
create or replace table fact.validity as select * from placed where what = 'judged';
create or replace table fact.close as select * from placed where what = 'closed';
create or replace table fact.sales_cycle as
select * replace (0 as total, '' as outcome), epoch_us(time) - epoch_us(created.time) as took
from fact.close where outcome = 'won' and created is not null;

-- Where each opportunity opens and closes: open or not after each of its steps, against the step before.
create or replace table fact.open_pipeline as
with looked as (
    select s.*,
           (s.time, s.source, s.id) >= (o.created.time, o.created.source, o.created.id)
           and not bool_or(s.status in ('won', 'lost')) over so_far
           and coalesce(arg_max(s.status, (s.time, s.source, s.id)) filter (s.status in ('valid', 'invalid'))
                        over so_far, '') <> 'invalid' as is_open
    from step s join opportunity o using (opportunity) where o.created is not null
    window so_far as (partition by s.opportunity order by s.time, s.source, s.id)
),
changed as (
    select opportunity, local::date as day, is_open::int
        - coalesce(lag(is_open::int) over (partition by opportunity order by time, source, id), 0) as sign from looked
)
-- The team is that of the day on which the opportunity was created, as for all its other dimensions.
select c.day as local, p.local::date as team_day, case c.sign when 1 then 'opened' else 'closed' end as outcome,
       p.rep, p.owner, p.product, p.segment, p.industry, p.campaign, p.source, p.currency, c.sign as n,
       c.sign * p.total as total, p.time, p.lead
from changed c join fact.opportunity p using (opportunity) where c.sign <> 0;

create or replace table fact.lead as
select timezone($zone, l.created_at) as local, l.segment, l.industry, l.campaign, l.origin as source, 1 as n, 0 as total,
       l.created_at as time, lead,
       concat_ws('+', case when o.created then 'opportunity' end, case when o.won then 'deal' end) as outcome
from lead l
left join (select lead, bool_or(created is not null) as created, bool_or(coalesce(closed.status = 'won', false)) as won
           from opportunity group by lead) o using (lead)
where l.created_at is not null;
