-- Contracts of companies, and money spent. They have days and no hours. A contract is that of the company told of last.
create or replace table term as
select last_value(d->>'company') over (
           partition by d->>'contract_id' order by time, source, id
           rows between unbounded preceding and unbounded following) as company,
       d->>'contract_id' as contract, d->>'status' as status,
       (d->>'effective_on')::date as since, time, source, id, d->'arr' as arr
from event where name = 'contract';

create or replace table contract_day as
select c.company, c.contract, c.day,
       coalesce((select arg_max(t.status, (t.since, t.time, t.source, t.id)) from term t
                 where t.company = c.company and t.contract = c.contract and t.since <= c.day
                 and t.status in ('started', 'ended')) = 'started', false) as runs,
       (select arg_max(t.arr, (t.since, t.time, t.source, t.id)) from term t
        where t.company = c.company and t.contract = c.contract and t.since <= c.day
        and t.status in ('started', 'changed') and t.arr is not null) as arr
from (select distinct company, contract, since as day from term) c;

create or replace table fact.contract as
with changed as (
    select day, worth, lag(worth) over (partition by company, contract order by day) as before
    from (select *, case when runs and arr is not null
                    then struct_pack(minor := minor(arr), currency := arr->>'currency') end as worth from contract_day)
)
select day as local, worth.currency as currency, 1 as n, worth.minor as total
from changed where worth is distinct from before and worth is not null
union all
select day, before.currency, -1, -before.minor from changed where worth is distinct from before and before is not null;

create or replace table fact.running_company as
with looked as (
    select company, day, bool_or(runs)::int as runs from (
        select d.company, d.day, coalesce(arg_max(t.status, (t.since, t.time, t.source, t.id))
                   filter (t.status in ('started', 'ended')) = 'started', false) as runs
        from (select distinct company, day from contract_day) d
        join term t on t.company = d.company and t.since <= d.day group by d.company, d.day, t.contract)
    group by company, day
)
select day as local, runs - coalesce(lag(runs) over (partition by company order by day), 0) as n, 0 as total
from looked qualify n <> 0;

create or replace table fact.new_customer as
select min(day) as local, 1 as n, 0 as total from contract_day where runs group by company;

create or replace table fact.spend as
select (d->>'spent_on')::date as local, d->>'category' as category, d->>'campaign' as campaign, source,
       d->'amount'->>'currency' as currency, 1 as n, minor(d->'amount') as total
from event where name = 'spend';
