"""Cells become a ledger: rows are entered and never changed, so that nothing has to be looked for when events come.

A release that adds to rows may not write to it. One that runs beside this finds numbers that were made by other rules,
and waits; the next start of this release makes them anew, and shows them when they are whole.
"""

from shared.migrate import run_sql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
oldest = "0006"


def upgrade() -> None:
    run_sql("""
        update metrics.sides set fingerprint = '' where shown;
        alter table metrics.cells drop constraint cells_pkey;
        -- Cells are not divided by shards any more; the column goes with the next release.
        alter table metrics.cells alter column shard drop not null;
    """)


def downgrade() -> None:
    run_sql("""
        update metrics.sides set fingerprint = '' where shown;
        with taken as (delete from metrics.cells returning *)
        insert into metrics.cells (day, dimensions, hour, value, shard, n, total)
        select day, dimensions, hour, value, 0, sum(n), sum(total) from taken group by 1, 2, 3, 4;
        alter table metrics.cells add primary key (day, dimensions, hour, value, shard);
    """)
