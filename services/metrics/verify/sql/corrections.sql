-- Corrections whose own corrections are all settled; those that correct one another in a ring never are, and since a
-- correction has one target, nothing but the ring hangs on it.
create or replace table ready as
with ready as (
    select * from correction c where not settled and not exists (
        select 1 from correction k where k.target_source = c.source and k.target_id = c.id and not k.settled)
),
holding as (
    select target_source, target_id, action, new_time, new_data
    from correction where settled and alive and (action = 'void' or new_data is not null)
    qualify row_number() over (
        partition by target_source, target_id order by true_time desc, source desc, id desc) = 1
)
select r.source, r.id, coalesce(h.action, '') <> 'void' as alive,
       case when h.action = 'replace' then coalesce(h.new_time, r.true_time) else r.true_time end as true_time,
       case when h.action = 'replace' then h.new_data else r.true_data end as true_data,
       r.target_source, r.target_id
from ready r left join holding h on h.target_source = r.source and h.target_id = r.id;
