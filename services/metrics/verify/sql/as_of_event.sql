create or replace table past as
select m.lead, m.since, s.segment, coalesce(i.value->>'$', '') as industry,
       case when c.since <= m.since then c.campaign else '' end as campaign
from moment m join segment_then s on s.lead = m.lead_then
left join believed_then i on i.lead = m.lead_then and i.field = 'industry'
left join (select lead, min(time) as since, arg_min(d->>'campaign', (time, source, id)) as campaign from event
           where name in ('lead-created', 'lead-fields') and d->>'campaign' is not null group by lead) c
       on c.lead = m.lead;
