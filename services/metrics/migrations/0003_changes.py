"""What batches changed, told beside the cells, so that sums can be brought up to date without adding all up again."""

from shared.migrate import run_sql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        -- A row says what its own transaction changed. Transactions are only comparable on the server that ran them
        -- (`era`: its start), not after a restore. Numbers tell rows apart whose transaction has the id of one that a
        -- crash undid.
        create table metrics.changes (
            number bigint generated always as identity primary key,
            xid xid8 not null default pg_current_xact_id(),
            era timestamptz not null default pg_postmaster_start_time(),
            told bytea -- null: more than can be told
        );
        create index changes_xid on metrics.changes (xid);
        -- The one row: how often old changes were forgotten, and which transactions had ended by the last time.
        create table metrics.changes_forgotten (
            generation bigint not null,
            era timestamptz not null,
            seen pg_snapshot not null,
            at timestamptz not null
        );
        insert into metrics.changes_forgotten values (0, pg_postmaster_start_time(), pg_current_snapshot(), now());
    """)


def downgrade() -> None:
    run_sql("drop table metrics.changes, metrics.changes_forgotten;")
