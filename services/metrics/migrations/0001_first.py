"""Events, lead digests, cells and counters."""

from shared import inbox, outbox
from shared.migrate import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
    -- Every event ever taken: identity store, and the history from which any number can be made anew.
    create table metrics.events (
        source text not null,
        id text not null,
        digest bytea not null,
        name text not null,
        time timestamptz not null,
        lead text not null, -- the group of units that it is counted with
        subject text not null,
        shard smallint not null,
        recorded_at timestamptz not null,
        taken_at timestamptz not null default now(),
        data bytea not null,
        corrects_source text,
        corrects_id text,
        primary key (source, id)
    );
    create index events_lead on metrics.events (lead);
    create index events_corrects on metrics.events (corrects_source, corrects_id)
    where corrects_source is not null;
    -- What may be shared between units, and which units are therefore counted as one group.
    create table metrics.ties (tie text not null, unit text not null, primary key (tie, unit));
    create table metrics.groups (unit text primary key, name text not null);
    create index groups_name on metrics.groups (name);
    create table metrics.leads (
        lead text primary key,
        shard smallint not null,
        state bytea not null
    ) with (fillfactor = 80);
    -- The dimensions of facts without their time: few rows, so that cells are all numbers.
    create table metrics.dimensions (
        id integer generated always as identity primary key,
        name text not null,
        type text not null,
        direction text not null,
        outcome text not null,
        rep text not null,
        owner text not null,
        channel text not null,
        segment text not null,
        campaign text not null,
        industry text not null,
        source text not null,
        stage text not null,
        product text not null,
        currency text not null,
        tier text not null,
        rank text not null,
        category text not null,
        key bytea not null unique
    );
    -- n and total change in place (no index holds them), so that updates stay on their page.
    create table metrics.cells (
        day date not null,
        dimensions integer not null,
        hour smallint not null,
        value bigint not null,
        shard smallint not null,
        n bigint not null,
        total numeric(38, 0) not null,
        primary key (day, dimensions, hour, value, shard)
    ) with (fillfactor = 70);
    -- Prometheus counters: only ever grow, so they are no cells.
    create table metrics.counters (
        shard smallint not null,
        name text not null,
        labels text not null,
        n bigint not null,
        primary key (name, labels, shard)
    ) with (fillfactor = 70);
    create table metrics.membership (
        rep text not null,
        team text not null,
        from_day date not null,
        to_day date not null,
        primary key (rep, from_day)
    );
    create table metrics.meta (name text primary key, value text not null);
"""


def upgrade() -> None:
    run_sql(inbox.CREATE_V1.format(schema="metrics"))
    run_sql(outbox.CREATE_V1.format(schema="metrics"))
    run_sql(TABLES)


def downgrade() -> None:
    run_sql("drop table metrics.events, metrics.leads, metrics.dimensions, metrics.cells, metrics.counters;")
    run_sql("drop table metrics.membership, metrics.meta, metrics.outbox, metrics.ties, metrics.groups;")
    run_sql("drop table metrics.positions, metrics.dead_letters, metrics.seen;")
