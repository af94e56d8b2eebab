-- What the configuration says, and the events as they stand in the log. Filled by recount.py.
create schema fact;
create table raw (source varchar, id varchar, name varchar, time timestamptz, lead varchar, data json);
create table currency (code varchar, unit bigint);
create table field (field varchar, type varchar, precedence varchar[]);
create table rank_field (field varchar);
create table team (rep varchar, team varchar, first date, last date);
create table target (kpi varchar, period varchar, dimension varchar, member varchar, currency varchar, value double);

create macro minor(amount) as
    ((amount->>'value')::decimal(30, 6) * (select unit from currency where code = amount->>'currency'))::bigint;

create macro major(amount, currency_code) as amount / (select unit from currency where code = currency_code);
