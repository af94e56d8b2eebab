"""The second set of cells becomes a ledger, too."""

from shared.migrate import run_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
oldest = "0006"


def upgrade() -> None:
    run_sql("""
        alter table metrics.cells_2 drop constraint cells_2_pkey;
        alter table metrics.cells_2 alter column shard drop not null;
    """)


def downgrade() -> None:
    run_sql("""
        with taken as (delete from metrics.cells_2 returning *)
        insert into metrics.cells_2 (day, dimensions, hour, value, shard, n, total)
        select day, dimensions, hour, value, 0, sum(n), sum(total) from taken group by 1, 2, 3, 4;
        alter table metrics.cells_2 add primary key (day, dimensions, hour, value, shard);
    """)
