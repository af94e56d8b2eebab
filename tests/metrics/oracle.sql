-- What truly happened (after corrections), as DuckDB views over the table `truth`. See oracle.py.

create or replace view event as
select source, id, name, lead, true_time as time, timezone('Asia/Tokyo', true_time) as local, true_data as d
from truth where alive and name <> 'correction';

create or replace view observation as
select e.lead, o->>'field' as field, o->>'method' as method, coalesce(o->>'value', o->>'status') as value,
       (o->>'observed_at')::timestamptz as observed_at, o->>'observation_id' as observation_id
from event e, unnest(json_extract(d, '$.observations[*]')) as u(o) where e.name = 'lead-fields';

create or replace view believed as
select lead, field, value from (
    select *, row_number() over (
        partition by lead, field
        order by list_position(precedence, method), observed_at desc, observation_id desc) as place
    from observation join precedence using (field) where list_contains(precedence, method)) where place = 1;

create or replace view lead as
select l.lead,
       coalesce(
           case when e.value::int between 1 and 2000 then 'smb' when e.value::int >= 2001 then 'enterprise' end,
           'unknown') as segment,
       coalesce(i.value, '') as industry,
       coalesce(c.campaign, '') as campaign,
       coalesce(o.observed_at, p.declared_at, a.active_at) as created_at,
       coalesce(s.source, '') as origin
from (select distinct lead from event) l
left join believed e on e.lead = l.lead and e.field = 'employees'
left join believed i on i.lead = l.lead and i.field = 'industry'
left join (select lead, min(observed_at) as observed_at from observation group by lead) o on o.lead = l.lead
left join (select lead, min(time) as declared_at from event
           where name = 'lead-created' and coalesce(d->>'via', 'fields') = 'fields' group by lead) p on p.lead = l.lead
left join (select lead, min(time) as active_at from event
           where name in ('call', 'touch', 'opportunity', 'appointment') group by lead) a on a.lead = l.lead
left join (select lead, arg_min(d->>'campaign', (time, source, id)) as campaign from event
           where name in ('lead-created', 'lead-fields') and d->>'campaign' is not null group by lead) c
       on c.lead = l.lead
left join (select lead, arg_min(d->>'source', (time, source, id)) as source from event
           where name = 'lead-created' group by lead) s on s.lead = l.lead;

create or replace view activity as
select e.local, coalesce(d->>'rep', '') as rep, '' as owner,
       case name when 'call' then 'call' else d->>'channel' end as channel,
       l.segment, l.industry, coalesce(nullif(l.campaign, ''), d->>'campaign', '') as campaign, e.source,
       '' as currency, 1 as n, coalesce((d->>'duration_s')::bigint, 0) as total,
       e.name, d->>'direction' as direction, coalesce(d->>'outcome', '') as outcome, e.time, e.id, e.lead
from event e join lead l using (lead) where e.name in ('call', 'touch');

create or replace view second_call as
select * from (
    select *, row_number() over (partition by lead order by time, source, id) as place
    from activity where name = 'call' and direction = 'outbound') where place = 2;

create or replace view action as
select *, row_number() over (partition by lead order by time, source, id) as place,
       lag(time) over (partition by lead order by time, source, id) as before
from activity where direction = 'outbound' and (name = 'call' or outcome not in ('opened', 'clicked', 'replied', 'bounced'));

create or replace view second_action as select *, epoch_us(time) - epoch_us(before) as took from action where place = 2;

create or replace view first_response as
select timezone('Asia/Tokyo', l.created_at) as local, a.rep, '' as owner, a.channel, l.segment, l.industry, l.campaign,
       l.origin as source, '' as currency, 1 as n, 0 as total, epoch_us(a.time) - epoch_us(l.created_at) as took
from lead l join action a using (lead) where a.time >= l.created_at
qualify row_number() over (partition by lead order by a.time, a.source, a.id) = 1;

create or replace view decision as
select e.local, coalesce(h.rep, '') as rep, d->>'sales_rep' as owner, '' as channel, l.segment, l.industry, l.campaign,
       e.source, '' as currency, 1 as n, 0 as total, name = 'handoff-accepted' as accepted
from event e join lead l using (lead)
left join (select d->>'handoff_id' as handoff_id, arg_min(d->>'rep', (time, source, id)) as rep from event
           where name = 'handoff-created' group by 1) h on h.handoff_id = d->>'handoff_id'
where name in ('handoff-accepted', 'handoff-returned');

create or replace view stage_entry as
select e.local, '' as rep, '' as owner, '' as channel, l.segment, l.industry, l.campaign, e.source, '' as currency,
       1 as n, 0 as total, d->>'to' as stage
from event e join lead l using (lead) where name = 'stage-changed';

create or replace view known as
select l.lead, coalesce(max(value) filter (field = 'target_tier'), '') as tier,
       count(*) filter (field in ('email', 'phone', 'title', 'industry', 'employees')
                        or (field in ('budget', 'authority', 'needs') and value in ('confirmed', 'denied'))) / 9 as share
from lead l left join believed b using (lead) group by l.lead;

create or replace view appointment as
select timezone('Asia/Tokyo', won.time) as local, a.rep, '' as owner, coalesce(a.how_set, '') as channel, l.segment,
       l.industry, l.campaign, won.source, '' as currency, 1 as n,
       case when k.tier = 'A' then case when share >= 0.8 then 10 when share >= 0.5 then 7 else 4 end
            when k.tier = 'B' then case when share >= 0.8 then 6 when share >= 0.5 then 4 else 2 end
            else case when share >= 0.8 then 3 when share >= 0.5 then 2 else 1 end end as total
from (select d->>'appointment_id' as appointment, lead,
             arg_min(struct_pack(time := time, source := source), (time, source, id))
                 filter (d->>'status' = 'set') as won,
             arg_max(d->>'rep', (time, source, id)) as rep,
             arg_max(d->>'how_set', (time, source, id)) filter (d->>'how_set' is not null) as how_set
      from event where name = 'appointment' group by 1, 2) a
join lead l using (lead) join known k using (lead) where a.won is not null;

create or replace view spending as
select (d->>'spent_on')::timestamp as local, '' as rep, coalesce(d->>'campaign', '') as campaign, source,
       d->>'category' as category, d->'amount'->>'currency' as currency, 1 as n,
       ((d->'amount'->>'value')::decimal(20, 2) * (case d->'amount'->>'currency' when 'USD' then 100 else 1 end))::bigint
           as total
from event where name = 'spend';

create or replace view term as
select d->>'company' as company, d->>'contract_id' as contract, d->>'status' as status,
       (d->>'effective_on')::date as since, time, source, id, d->'arr'->>'currency' as currency,
       ((d->'arr'->>'value')::decimal(20, 2) * (case d->'arr'->>'currency' when 'USD' then 100 else 1 end))::bigint as arr
from event where name = 'contract';

create or replace view new_customer as
select min(since)::timestamp as local, '' as rep, '' as currency, 1 as n, 0 as total
from term where status = 'started' group by company;

create or replace view running as
select day, company, contract,
       arg_max(status, (since, time, source, id)) filter (status in ('started', 'ended')) as status,
       arg_max(struct_pack(arr := arr, currency := currency), (since, time, source, id))
           filter (status in ('started', 'changed') and arr is not null) as worth
from calendar join term on since <= day group by all;

create or replace view standing_arr as
select day, worth.currency as currency, 1 as n, worth.arr as total
from running where status = 'started' and worth is not null;

create or replace view standing_company as
select distinct day, company, '' as currency, 1 as n, 0 as total from running where status = 'started';

create or replace view handoff as
select e.local, d->>'rep' as rep, d->>'owner' as owner, '' as channel, l.segment, l.industry, l.campaign, e.source,
       '' as currency, 1 as n, 0 as total, e.time, e.lead, e.id
from event e join lead l using (lead) where name = 'handoff-created';

create or replace view step as
select d->>'opportunity_id' as opportunity, lead, d->>'status' as status, time, source, id, local,
       d->'amount'->>'value' as amount, d->'amount'->>'currency' as currency, d->>'credited_rep' as credited,
       d->>'owner' as owner
from event where name = 'opportunity';

create or replace view opportunity as
select opportunity, lead,
       arg_min(struct_pack(time := time, source := source, local := local), (time, source, id))
           filter (status = 'created') as created,
       arg_max(struct_pack(time := time, source := source, local := local, status := status), (time, source, id))
           filter (status in ('won', 'lost')) as closed,
       arg_max(amount, (time, source, id)) filter (amount is not null) as amount,
       arg_max(currency, (time, source, id)) filter (amount is not null) as currency,
       arg_max(credited, (time, source, id)) filter (credited is not null) as credited,
       arg_max(owner, (time, source, id)) filter (owner is not null) as owner
from step group by opportunity, lead;

create or replace view placed as
select o.*, l.segment, l.industry, l.campaign, spot.local, spot.source, spot.time, spot.what, spot.status,
       coalesce(o.credited,
           (select arg_max(h.rep, (h.time, h.source, h.id)) from handoff h
            where h.lead = o.lead and h.time <= spot.time),
           '') as rep
from opportunity o join lead l using (lead),
     lateral (
         select o.created.local as local, o.created.source as source, o.created.time as time,
                'created' as what, '' as status
         where o.created is not null
         union all
         select o.closed.local, o.closed.source, o.closed.time, 'closed', o.closed.status where o.closed is not null
     ) spot;

create or replace view sold as
select local, rep, coalesce(owner, '') as owner, '' as channel, segment, industry, campaign, source,
       coalesce(currency, '') as currency, 1 as n,
       coalesce(amount::decimal(20, 2) * (case currency when 'USD' then 100 else 1 end), 0)::bigint as total,
       what, status, epoch_us(time) - epoch_us(created.time) as took
from placed;

create or replace view judged as
select s.local, coalesce(o.credited,
           (select arg_max(h.rep, (h.time, h.source, h.id)) from handoff h where h.lead = o.lead and h.time <= s.time), '')
           as rep,
       coalesce(o.owner, '') as owner, '' as channel, l.segment, l.industry, l.campaign, s.source,
       coalesce(o.currency, '') as currency, 1 as n, 0 as total, s.status
from opportunity o join lead l using (lead)
join (select * from step where status in ('valid', 'invalid')
      qualify row_number() over (partition by opportunity order by time desc, source desc, id desc) = 1) s
  on s.opportunity = o.opportunity;

create or replace view standing_pipeline as
select c.day, p.rep, p.owner, p.segment, p.industry, p.campaign, p.source, coalesce(o.currency, '') as currency, 1 as n,
       coalesce(o.amount::decimal(20, 2) * (case o.currency when 'USD' then 100 else 1 end), 0)::bigint as total
from opportunity o
join (select opportunity, s.rep, coalesce(s.owner, '') as owner, segment, industry, campaign, source from placed s
      where what = 'created') p on p.opportunity = o.opportunity
join calendar c on c.day >= o.created.local::date
where not exists (select 1 from step s where s.opportunity = o.opportunity and s.status in ('won', 'lost')
                  and s.local::date <= c.day)
  and coalesce((select arg_max(s.status, (s.time, s.source, s.id)) from step s where s.opportunity = o.opportunity
                and s.status in ('valid', 'invalid') and s.local::date <= c.day), '') <> 'invalid';

create or replace view new_lead as
select timezone('Asia/Tokyo', created_at) as local, '' as rep, '' as owner, '' as channel, segment, industry, campaign,
       origin as source, '' as currency, 1 as n, 0 as total,
       exists (select 1 from opportunity o where o.lead = lead.lead and o.created is not null) as has_opportunity,
       exists (select 1 from opportunity o where o.lead = lead.lead and o.closed.status = 'won') as has_deal
from lead where created_at is not null;
