-- What was believed of each lead at each time at which something was observed or told of it: standing.sql and lead.sql
-- once more, with what was known by then. `lead` in the tables `unit_then` and `believed_then` is one lead at one time.
create or replace table moment as
select lead, since, lead || ' ' || epoch_us(since) as lead_then from (
    select lead, observed_at as since from observation
    union select lead, time from event where name in ('lead-created', 'lead-fields') and lead <> '');

create or replace table unit_then as select lead_then as lead from moment;

create or replace table believed_then as
select lead_then as lead, field, value, status, type <> 'confirmation' or status in ('confirmed', 'denied') as known
from moment m join observation o on o.lead = m.lead and o.observed_at <= m.since join field using (field)
where list_contains(precedence, method)
  and case type when 'confirmation' then status is not null else value is not null end
qualify row_number() over (
    partition by m.lead_then, field
    order by own desc, list_position(precedence, method), observed_at desc, observation_id desc) = 1;
