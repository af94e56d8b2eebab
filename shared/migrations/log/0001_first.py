"""The log in PostgreSQL: partitions and their records; groups, their members and which shards these hold.

records has no foreign key: it would lock and look up the partition once for each record.
"""

from shared.migrate import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_sql("""
        create table log.partitions (
            id integer generated always as identity primary key,
            topic text not null,
            partition integer not null check (partition >= 0),
            next_offset bigint not null default 0,
            unique (topic, partition)
        ) with (fillfactor = 50);

        create table log.records (
            partition_id integer not null,
            "offset" bigint not null,
            key text,
            headers bytea not null,
            value bytea,
            appended_at timestamptz not null,
            primary key (partition_id, "offset")
        );

        create table log.members (
            consumer_group text not null,
            member text not null,
            session uuid not null,
            backend text,
            seen_at timestamptz not null,
            primary key (consumer_group, member)
        ) with (fillfactor = 50);

        create table log.leases (
            consumer_group text not null,
            shard integer not null,
            member text not null,
            primary key (consumer_group, shard)
        ) with (fillfactor = 50);
    """)


def downgrade() -> None:
    run_sql("drop table log.leases, log.members, log.records, log.partitions;")
