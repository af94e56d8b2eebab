-- Stages that leads entered, leads handed to sales, and what sales decided.
create or replace table fact.stage_entry as
select e.local, l.segment, l.industry, l.campaign, e.source, d->>'to' as stage, 1 as n, 0 as total, e.time,
       e.lead
from event e join lead l using (lead) where name = 'stage-changed';

create or replace table fact.handoff as
select e.local, d->>'rep' as rep, d->>'owner' as owner, l.segment, l.industry, l.campaign, e.source, 1 as n, 0 as total,
       e.time, e.id, e.lead, d->>'handoff_id' as handoff
from event e join lead l using (lead) where name = 'handoff-created';

create or replace table fact.handoff_decision as
select e.local, h.rep, d->>'sales_rep' as owner, l.segment, l.industry, l.campaign, e.source, 1 as n, 0 as total,
       case name when 'handoff-accepted' then 'accepted' else 'returned' end as outcome, e.time, e.lead
from event e join lead l using (lead)
left join (select lead, handoff, arg_min(rep, (time, source, id)) as rep from fact.handoff group by all) h
       on h.lead = e.lead and h.handoff = d->>'handoff_id'
where name in ('handoff-accepted', 'handoff-returned');
