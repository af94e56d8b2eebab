-- Appointments won: at their first `set`, with what is known of them over all their events.
create or replace table fact.appointment as
select timezone($zone, won.time) as local, a.rep, a.how_set as channel, l.segment, l.industry, l.campaign, won.source,
       l.tier, l.rank, 1 as n, 0 as total, won.time as time, lead
from (select d->>'appointment_id' as appointment, arg_max(lead, (time, source, id)) as lead,
             arg_min(struct_pack(time := time, source := source), (time, source, id))
                 filter (d->>'status' = 'set') as won,
             arg_max(d->>'rep', (time, source, id)) as rep,
             arg_max(d->>'how_set', (time, source, id)) filter (d->>'how_set' is not null) as how_set
      from event where name = 'appointment' and lead <> '' group by 1) a
join lead l using (lead) where a.won is not null;
