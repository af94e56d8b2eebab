-- What is believed of each lead, and since when it is known.
create or replace table unit as select distinct lead from event where lead <> '';

create or replace table observation as
select e.lead, e.own, o->>'field' as field, o->>'method' as method, o->'value' as value, o->>'status' as status,
       (o->>'observed_at')::timestamptz as observed_at, o->>'observation_id' as observation_id
from event e, unnest(json_extract(d, '$.observations[*]')) as u(o) where e.name = 'lead-fields' and e.lead <> '';

create or replace table believed as
select lead, field, value, status, type <> 'confirmation' or status in ('confirmed', 'denied') as known
from observation join field using (field)
where list_contains(precedence, method)
  and case type when 'confirmation' then status is not null else value is not null end
qualify row_number() over (
    partition by lead, field
    order by own desc, list_position(precedence, method), observed_at desc, observation_id desc) = 1;
