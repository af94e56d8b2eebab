"""The first tables of ingest: leads and their keys, what was said of them, every identity, the quarantine."""

from shared import consume, outbox
from shared.migrate import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
create table ingest.leads (
    lead_id text primary key,
    seq bigint generated always as identity constraint leads_seq_key unique,
    recorded_at timestamptz not null,
    first_activity_at timestamptz,
    rep text,
    rep_at timestamptz,
    stage text not null default 'Awareness',
    stage_cycle integer not null default 0,
    stage_at timestamptz,
    stage_rank integer not null default 0,
    merged_into text,
    erased_at timestamptz
) with (fillfactor = 80);
create index leads_stage on ingest.leads (stage, seq);
create index leads_rep on ingest.leads (rep, seq);

create table ingest.lead_keys (
    kind text not null,
    value text not null,
    lead_id text not null references ingest.leads,
    primary key (kind, value)
);
create index lead_keys_lead on ingest.lead_keys (lead_id);

create table ingest.lead_terms (
    lead_id text not null references ingest.leads,
    kind text not null,
    value text not null,
    primary key (lead_id, kind, value)
);
create index lead_terms_value on ingest.lead_terms (kind, value);

create table ingest.submissions (
    source text not null,
    id text not null,
    lead_id text not null references ingest.leads,
    observed_at timestamptz not null,
    recorded_at timestamptz not null,
    campaign text,
    unmapped jsonb not null,
    primary key (source, id)
);
create index submissions_lead on ingest.submissions (lead_id);

create table ingest.observations (
    observation_id uuid primary key,
    lead_id text not null references ingest.leads,
    observed_at timestamptz not null,
    observation jsonb not null
);
create index observations_lead on ingest.observations (lead_id);

create table ingest.events (
    source text not null,
    id text not null,
    digest bytea,
    name text not null,
    lead_id text,
    key text,
    recorded_at timestamptz not null,
    primary key (source, id)
);

create table ingest.waiting_corrections (
    source text not null,
    id text not null,
    corrects_source text not null,
    corrects_id text not null,
    time timestamptz not null,
    data bytea not null,
    traceparent text,
    primary key (source, id)
);
create index waiting_corrections_corrects on ingest.waiting_corrections (corrects_source, corrects_id);

create table ingest.quarantine (
    id bigint generated always as identity primary key,
    source text not null,
    received_at timestamptz not null,
    content_type text not null,
    idempotency_key text,
    body bytea not null,
    errors jsonb not null,
    attempts integer not null default 1,
    resolved_at timestamptz,
    results jsonb
);
"""


# A search inside texts needs trigrams to be fast; a server without the extension searches slowly.
_SEARCH = """
do $$
begin
    if exists (select from pg_available_extensions where name = 'pg_trgm') then
        create extension if not exists pg_trgm with schema public;
        create index lead_terms_words on ingest.lead_terms using gin (value public.gin_trgm_ops);
    end if;
exception when insufficient_privilege then
    raise notice 'pg_trgm may not be installed here: the search of leads by words will be slow';
end
$$;
"""


def upgrade() -> None:
    run_sql(_TABLES)
    run_sql(outbox.CREATE_V1.format(schema="ingest"))
    run_sql(consume.CREATE_V1.format(schema="ingest"))
    run_sql(_SEARCH)


def downgrade() -> None:
    run_sql("drop schema ingest cascade; create schema ingest;")
