-- Attributes that shape all facts of a lead. `segment` is made from the policy, see segments.py.
create or replace table lead as
select l.lead, s.segment, coalesce(i.value->>'$', '') as industry, coalesce(c.campaign, '') as campaign,
       coalesce(o.observed_at, p.declared_at, a.active_at) as created_at, coalesce(p.source, '') as origin,
       coalesce(t.value->>'$', '') as tier,
       case when k.share >= 0.8 then 'A' when k.share >= 0.5 then 'B' else 'C' end as rank
from unit l join segment s using (lead)
left join believed i on i.lead = l.lead and i.field = 'industry'
left join believed t on t.lead = l.lead and t.field = 'target_tier'
left join (select lead, count(*) / (select count(*) from rank_field) as share
           from believed join rank_field using (field) where known group by lead) k on k.lead = l.lead
left join (select lead, min(observed_at) as observed_at from observation group by lead) o on o.lead = l.lead
left join (select lead, arg_min(d->>'source', (time, source, id)) as source,
                  min(time) filter (coalesce(d->>'via', 'fields') = 'fields') as declared_at
           from event where name = 'lead-created' group by lead) p on p.lead = l.lead
left join (select lead, min(time) as active_at from event
           where name in ('call', 'touch', 'opportunity', 'appointment') group by lead) a on a.lead = l.lead
left join (select lead, arg_min(d->>'campaign', (time, source, id)) as campaign from event
           where name in ('lead-created', 'lead-fields') and d->>'campaign' is not null group by lead) c
       on c.lead = l.lead;
