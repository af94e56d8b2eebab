-- Events as they truly are: each with the holding correction (the latest in order that fits) applied.
create or replace table event as
with holding as (
    select target_source as source, target_id as id, action, new_time, new_data
    from correction where settled and alive and (action = 'void' or new_data is not null)
    qualify row_number() over (
        partition by target_source, target_id order by true_time desc, correction.source desc, correction.id desc) = 1
)
select r.source, r.id, r.name, r.lead,
       case when h.action = 'replace' then coalesce(h.new_time, r.time) else r.time end as time,
       timezone($zone, case when h.action = 'replace' then coalesce(h.new_time, r.time) else r.time end) as local,
       case when h.action = 'replace' then h.new_data else r.data end as d
from raw r left join holding h on h.source = r.source and h.id = r.id
where r.name <> 'correction' and coalesce(h.action, '') <> 'void';
