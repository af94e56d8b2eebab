-- Leads that are one: of a lead's merges and unmerges the latest holds. Where merges form a ring, the latest of the ring
-- is as if it had never been.
create or replace table merge as
select * exclude (name) from (
    select lead, name, d->>'into' as target, time, source, id from event
    where name in ('lead-merged', 'lead-unmerged')
    qualify row_number() over (partition by lead order by time desc, source desc, id desc) = 1)
where name = 'lead-merged';

create or replace table ring as
with recursive walk as (
    select lead, target, [lead] as path from merge
    union all
    select w.lead, m.target, list_append(w.path, m.lead) from walk w join merge m on m.lead = w.target
    where not list_contains(w.path, m.lead)
)
select lead as first, unnest(path) as lead from walk where target = lead;

delete from merge where lead in (
    select arg_max(m.lead, (m.time, m.source, m.id)) from ring join merge m using (lead) group by ring.first);

create or replace table survivor as
with recursive walk as (
    select lead, target, 1 as steps from merge
    union all
    select w.lead, m.target, w.steps + 1 from walk w join merge m on m.lead = w.target
)
select lead, arg_max(target, steps) as survivor from walk group by lead;

create or replace table event as
select e.* replace (coalesce(s.survivor, e.lead) as lead), s.survivor is null as own
from event e left join survivor s using (lead);
