"""A second set of cells and digests, so that the numbers are made anew beside those that are shown."""

from shared.migrate import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = """
    create table metrics.leads_2 (
        lead text primary key,
        shard smallint not null,
        state bytea not null
    ) with (fillfactor = 80);
    create table metrics.cells_2 (
        day date not null,
        dimensions integer not null,
        hour smallint not null,
        value bigint not null,
        shard smallint not null,
        n bigint not null,
        total numeric(38, 0) not null,
        primary key (day, dimensions, hour, value, shard)
    ) with (fillfactor = 70);
    -- Which set is shown, and how far the other one is. 1: metrics.cells and metrics.leads, 2: those made here.
    create table metrics.sides (
        side smallint primary key check (side in (1, 2)),
        shown boolean not null,
        building boolean not null default false check (not (shown and building)),
        fingerprint text not null default '', -- of the rules by which it is made
        reached text collate "C" not null default '', -- while building: the groups up to this one are in it
        events bigint not null default 0, -- gone through while it was built
        started_at timestamptz,
        finished_at timestamptz
    );
    create unique index sides_shown on metrics.sides (shown) where shown;
    insert into metrics.sides (side, shown, fingerprint)
    select 1, true, coalesce((select value from metrics.meta where name = 'fold_fingerprint'), '')
    union all select 2, false, '';
    delete from metrics.leads where state = ''; -- rows that were made only to be locked
    -- Groups are gone through in an order that does not depend on the database's language.
    alter table metrics.events alter column lead type text collate "C";
    -- Contents are compared as they are stored; the column goes with the next release.
    alter table metrics.events alter column digest drop not null;
"""


def upgrade() -> None:
    run_sql(TABLES)


def downgrade() -> None:
    run_sql("alter table metrics.events alter column lead type text; drop table metrics.sides;")
    run_sql("drop table metrics.cells_2, metrics.leads_2;")
