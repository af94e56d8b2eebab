"""A log that has moved to Kafka takes no more records: whoever still writes to it is told so.

The trigger is on partitions, of which every append changes rows.
"""

from shared.migrate import run_sql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        create table log.moved (at timestamptz not null);

        create function log.refuse_when_moved() returns trigger language plpgsql as $$
            begin
                if exists (select from log.moved) then
                    raise exception 'the log has moved to Kafka';
                end if;
                return null;
            end
        $$;

        create trigger refuse_when_moved before update on log.partitions
            for each statement execute function log.refuse_when_moved();
    """)


def downgrade() -> None:
    run_sql("""
        drop trigger refuse_when_moved on log.partitions;
        drop function log.refuse_when_moved;
        drop table log.moved;
    """)
