-- Calls, touches and uses of content, and what their order within a lead tells.
create or replace table fact.activity as
select e.local, d->>'rep' as rep, case name when 'call' then 'call' else d->>'channel' end as channel, l.segment,
       l.industry, coalesce(nullif(l.campaign, ''), d->>'campaign') as campaign, e.source, name as type,
       d->>'direction' as direction, coalesce(d->>'outcome', '') as outcome, 1 as n,
       coalesce((d->>'duration_s')::bigint, 0) as total, e.time, e.id, e.lead, l.campaign as lead_campaign,
       d->>'campaign' as own_campaign
from event e join lead l using (lead) where e.name in ('call', 'touch');

create or replace table fact.content_use as
select e.local, d->>'rep' as rep, coalesce(d->>'channel', '') as channel, l.segment, l.industry, l.campaign, e.source,
       d->>'kind' as type, 1 as n, 0 as total, e.time, e.lead
from event e join lead l using (lead) where e.name = 'content-used';

create or replace table action as
select local, rep, channel, segment, industry, lead_campaign as campaign, source, 1 as n, 0 as total, type, time, id, lead,
       row_number() over (partition by lead order by time, source, id) as place,
       row_number() over (partition by lead, type order by time, source, id) as place_of_type,
       lag(time) over (partition by lead order by time, source, id) as before
from fact.activity
where direction = 'outbound' and (type = 'call' or outcome not in ('opened', 'clicked', 'replied', 'bounced'));

create or replace table fact.second_call as
select local, rep, channel, segment, industry, campaign, source, n, total, time, lead
from action where type = 'call' and place_of_type = 2;

create or replace table fact.second_action as
select local, rep, channel, segment, industry, campaign, source, n, total, epoch_us(time) - epoch_us(before) as took,
       time, lead
from action where place = 2;

create or replace table fact.first_response as
select timezone($zone, l.created_at) as local, a.rep, a.channel, l.segment, l.industry, l.campaign, l.origin as source,
       1 as n, 0 as total, epoch_us(a.time) - epoch_us(l.created_at) as took, l.created_at as time, lead
from lead l join action a using (lead) where a.time >= l.created_at
qualify row_number() over (partition by lead order by a.time, a.source, a.id) = 1;
